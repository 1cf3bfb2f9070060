import { expect, test } from 'vitest'
import type { Clock } from '../../engine/contracts.ts'
import { type PatienceOptions, patientFetch } from './patient-fetch.ts'

const nowMs = Date.parse('2026-01-01T00:00:00Z')

/** Answers one after the other; what is no answer is thrown. */
function script(answers: readonly (Response | Error)[], more: Partial<PatienceOptions> = {}) {
  const slept: number[] = []
  const left = [...answers]
  const clock: Clock = { nowMs: () => nowMs, sleep: async (ms) => void slept.push(ms) }
  const ask = patientFetch({
    clock,
    ids: { uuid: () => '', random: () => 0.5 },
    requestTimeoutMs: 60_000,
    tries: 5,
    maxDelayMs: 1000,
    fetch: async () => {
      const next = left.shift()!
      if (next instanceof Error) throw next
      return next
    },
    ...more,
  })
  return { ask: () => ask('http://127.0.0.1/'), slept, left }
}

const busy = (retryAfter?: string) =>
  new Response('busy', { status: 429, ...(retryAfter === undefined ? {} : { headers: { 'retry-after': retryAfter } }) })

test('waits grow, at random below a ceiling, until an answer is there', async () => {
  const { ask, slept } = script([busy(), new Response('', { status: 503 }), new TypeError('lost'), new Response('yes')])
  expect(await (await ask()).text()).toBe('yes')
  expect(slept).toEqual([200, 400, 500])
})

test('Retry-After is waited for, in seconds or until a date, and not for hours', async () => {
  const { ask, slept } = script([busy('7'), busy('Thu, 01 Jan 2026 00:00:30 GMT'), busy('9999'), busy('soon'), busy()])
  expect((await ask()).status).toBe(429)
  expect(slept).toEqual([7000, 30_000, 120_000, 500])
})

test('what is wrong with a request is not asked again', async () => {
  const { ask, left, slept } = script([new Response('no', { status: 400 }), new Response('yes')])
  expect((await ask()).status).toBe(400)
  expect([left.length, slept]).toEqual([1, []])
})

test('an answer that is lost in the middle is asked for again', async () => {
  const broken = new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"ha'))
        controller.error(new TypeError('terminated'))
      },
    }),
  )
  const { ask } = script([broken, new Response('{"half":2}')])
  expect(await (await ask()).json()).toEqual({ half: 2 })
})

test('a request that is never answered has failed after its time, and so has an answer that never ends', async () => {
  const silent: typeof fetch = (_, init) =>
    new Promise((_resolve, reject) => {
      init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason as Error), { once: true })
    })
  await expect(script([], { fetch: silent, requestTimeoutMs: 20, tries: 2 }).ask()).rejects.toThrow(/timeout/)
  const endless: typeof fetch = async (_, init) =>
    new Response(
      new ReadableStream({
        start: (controller) =>
          init!.signal!.addEventListener('abort', () => controller.error(init!.signal!.reason), { once: true }),
      }),
    )
  await expect(script([], { fetch: endless, requestTimeoutMs: 20, tries: 2 }).ask()).rejects.toThrow(/timeout/)
})

test('once it is told to end, nothing more is asked', async () => {
  const end = new AbortController()
  const { ask, left } = script([new TypeError('lost'), new Response('yes')], {
    signal: () => end.signal,
    fetch: async () => {
      end.abort()
      throw new TypeError('lost')
    },
  })
  await expect(ask()).rejects.toThrow('lost')
  expect(left).toHaveLength(2)
})
