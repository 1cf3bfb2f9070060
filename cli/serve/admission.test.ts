import fc from 'fast-check'
import { expect, test } from 'vitest'
import { admission } from './admission.ts'

/** Work that ends when it is told to, and notes its signal. */
function job() {
  const ended = Promise.withResolvers<string>()
  let signal: AbortSignal | null = null
  return {
    work: (given: AbortSignal): Promise<string> => {
      signal = given
      return ended.promise
    },
    end: (value = 'done') => ended.resolve(value),
    get began() {
      return signal !== null
    },
    get cancelled() {
      return signal?.aborted === true
    },
  }
}

const patient = (): AbortSignal => new AbortController().signal
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('so many work at once, the next wait in turn, and one more is refused with a promise to take it later', async () => {
  const gate = admission({ running: 1, waiting: 1 })
  const [first, second, third] = [job(), job(), job()]
  const answers = [gate.run(patient(), first.work), gate.run(patient(), second.work)]
  await expect(gate.run(patient(), third.work)).rejects.toMatchObject({ code: 'STORE_BUSY', retryable: true })
  expect([first.began, second.began, third.began]).toEqual([true, false, false])
  first.end('one')
  await settled()
  expect(second.began).toBe(true)
  second.end('two')
  expect(await Promise.all(answers)).toEqual(['one', 'two'])
})

test('who hangs up while waiting leaves the queue, and nothing is done for them', async () => {
  const gate = admission({ running: 1, waiting: 1000 })
  const first = job()
  const running = gate.run(patient(), first.work)
  const gone = Array.from({ length: 1000 }, () => ({ caller: new AbortController(), job: job() }))
  const left = gone.map(({ caller, job }) => gate.run(caller.signal, job.work).catch((error: unknown) => error))
  for (const { caller } of gone) caller.abort(new Error('hung up'))
  expect((await Promise.all(left)).every((error) => (error as Error).message === 'hung up')).toBe(true)
  const next = job()
  const answer = gate.run(patient(), next.work)
  first.end()
  await running
  next.end('next')
  expect(await answer).toBe('next')
  expect(gone.some(({ job }) => job.began)).toBe(false)
})

test('who hangs up while their work runs cancels it; its place is free when it has ended', async () => {
  const gate = admission({ running: 1, waiting: 1 })
  const caller = new AbortController()
  const [first, second] = [job(), job()]
  const running = gate.run(caller.signal, first.work)
  const waiting = gate.run(patient(), second.work)
  await settled()
  caller.abort()
  await settled()
  expect([first.cancelled, second.began]).toEqual([true, false])
  first.end()
  await running
  second.end()
  expect(await waiting).toBe('done')
})

test('a stop turns away whoever waits or comes, and lets running work end; an abort cancels it', async () => {
  const gate = admission({ running: 1, waiting: 1 })
  const first = job()
  const running = gate.run(patient(), first.work)
  const waiting = gate.run(patient(), job().work)
  gate.stop()
  await expect(waiting).rejects.toMatchObject({ code: 'STORE_BUSY' })
  await expect(gate.run(patient(), job().work)).rejects.toMatchObject({ code: 'STORE_BUSY' })
  expect(first.cancelled).toBe(false)
  gate.abort()
  expect(first.cancelled).toBe(true)
  first.end()
  expect(await running).toBe('done')
})

test('whatever comes, fails or hangs up: never more at once than may, and no place is lost', async () => {
  const event = fc.constantFrom('come', 'end', 'fail', 'hang up')
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 60 }), async (events) => {
      const gate = admission({ running: 2, waiting: 3 })
      const open: { caller: AbortController; ended: PromiseWithResolvers<void> }[] = []
      let [now, most] = [0, 0]
      for (const what of events) {
        if (what === 'come') {
          const one = { caller: new AbortController(), ended: Promise.withResolvers<void>() }
          one.ended.promise.catch(() => {}) // of work that never began nobody waits for the end
          open.push(one)
          const answer = gate.run(one.caller.signal, async () => {
            now += 1
            most = Math.max(most, now)
            await one.ended.promise.finally(() => {
              now -= 1
            })
          })
          answer.catch(() => {})
        } else if (what === 'end') open.shift()?.ended.resolve()
        else if (what === 'fail') open.shift()?.ended.reject(new Error('failed'))
        else open.at(-1)?.caller.abort()
        await settled()
      }
      for (const { ended } of open) ended.resolve()
      await settled()
      expect(most).toBeLessThanOrEqual(2)
      const [a, b] = [job(), job()]
      const both = [gate.run(patient(), a.work), gate.run(patient(), b.work)]
      await settled()
      expect([a.began, b.began]).toEqual([true, true])
      a.end()
      b.end()
      await Promise.all(both)
    }),
  )
})
