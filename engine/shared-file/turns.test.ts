import fc from 'fast-check'
import { expect, test } from 'vitest'
import { turns } from './turns.ts'

test('one writer at a time, beside readers up to a limit, each in the order of arrival', async () => {
  const turn = turns(2)
  const [first, second] = [await turn.enter('read'), await turn.enter('read')]
  const writer = await turn.enter('write')
  const order: string[] = []
  const third = turn.enter('read').then((leave) => {
    order.push('third reader')
    leave()
  })
  const fourth = turn.enter('read').then((leave) => {
    order.push('fourth reader')
    leave()
  })
  const next = turn.enter('write').then((leave) => {
    order.push('second writer')
    leave()
  })
  expect(order).toEqual([])
  first()
  await Promise.all([third, fourth])
  expect(order).toEqual(['third reader', 'fourth reader'])
  writer()
  writer() // leaving twice is leaving once
  await next
  expect(order).toEqual(['third reader', 'fourth reader', 'second writer'])
  second()
})

test('the writer is alone once the readers that are there have left; those that come wait until it is done', async () => {
  const turn = turns(8)
  const leave = await turn.enter('read')
  const order: string[] = []
  const alone = turn.alone(async () => void order.push('alone'), 60_000)
  const later = turn.enter('read').then((end) => {
    order.push('reader')
    end()
  })
  leave()
  expect(await alone).toBe(true)
  await later
  expect(order).toEqual(['alone', 'reader'])
})

test('a reader that does not leave in time keeps the writer from being alone, and others wait no longer', async () => {
  const turn = turns(8)
  await turn.enter('read')
  const alone = turn.alone(() => Promise.reject(new Error('not alone')), 1)
  const later = turn.enter('read')
  expect(await alone).toBe(false)
  ;(await later)()
})

test('a caller that gives up leaves the queue, and nobody behind it waits longer', async () => {
  const turn = turns(1)
  const leave = await turn.enter('write')
  const abort = new AbortController()
  const gone = turn.enter('write', abort.signal)
  const next = turn.enter('write')
  abort.abort(new Error('gone'))
  await expect(gone).rejects.toThrow('gone')
  leave()
  ;(await next)()
  await expect(turn.enter('write', AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
})

test('whatever comes and goes: never two writers, never too many readers, and everybody gets a turn', async () => {
  const step = fc.record({ mode: fc.constantFrom('read' as const, 'write' as const), ticks: fc.nat(4) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (steps, limit) => {
      const turn = turns(limit)
      const now = { read: 0, write: 0 }
      await Promise.all(
        steps.map(async ({ mode, ticks }) => {
          const leave = await turn.enter(mode)
          now[mode] += 1
          expect(now.write).toBeLessThanOrEqual(1)
          expect(now.read).toBeLessThanOrEqual(limit)
          for (let i = 0; i < ticks; i++) await Promise.resolve()
          now[mode] -= 1
          leave()
        }),
      )
      expect(now).toEqual({ read: 0, write: 0 })
    }),
  )
})
