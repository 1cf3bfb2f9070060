import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from './duration.ts'
import { MillraceError } from './errors.ts'
import { defaultRetryPolicy, type Retries, type Retry, withRetries } from './retry.ts'

const busy = () => new MillraceError('STORE_BUSY', 'busy', { retryable: true })

/** A clock that jumps over every wait, and what was told. */
function world(forMs: number, random = 0.5) {
  const told: Retry[] = []
  const time = { nowMs: 0 }
  const retries: Retries = {
    backoff: { firstDelayMs: 100, maxDelayMs: 10_000 },
    forMs,
    clock: {
      nowMs: () => time.nowMs,
      sleep: async (ms) => {
        time.nowMs += ms
        await new Promise((resolve) => setImmediate(resolve)) // what is done is told before
      },
    },
    ids: { uuid: () => 'id', random: () => random },
    stop: new AbortController().signal,
    abandon: new AbortController().signal,
    onRetry: (retry) => told.push(retry),
  }
  return { told, time, retries }
}

test('a failure that passes within the time is outlasted, one that does not is thrown once the time is over', async () => {
  for (const { awayMs, ends } of [
    { awayMs: 899_000, ends: 'well' },
    { awayMs: 1_000_000, ends: 'STORE_BUSY' },
  ]) {
    const { told, time, retries } = world(900_000)
    const work = async () => {
      if (time.nowMs < awayMs) throw busy()
      return 'well'
    }
    expect(await withRetries(work, retries).catch((error: MillraceError) => error.code)).toBe(ends)
    expect(Math.max(...told.map(({ delayMs }) => delayMs))).toBe(5_000)
    for (const { waitedMs, leftMs } of told) expect(waitedMs + leftMs).toBe(900_000)
    if (ends !== 'well') expect(time.nowMs).toBe(900_000) // the last try is at the very end
  }
})

test('time is counted from the first failure in a row: after a success all of it is there again', async () => {
  const { told, time, retries } = world(1000)
  for (let round = 0; round < 5; round += 1) {
    const awayUntilMs = time.nowMs + 900
    await withRetries(async () => {
      if (time.nowMs < awayUntilMs) throw busy()
    }, retries)
    time.nowMs += 10_000
  }
  expect(told.filter(({ waitedMs }) => waitedMs === 0)).toHaveLength(5)
})

test('work that takes longer than the time is tried three times all the same', async () => {
  const { told, time, retries } = world(1000)
  const slow = async () => {
    time.nowMs += 60_000
    throw busy()
  }
  await expect(withRetries(slow, retries)).rejects.toThrow('busy (gave up after 3 tries in 2 min)')
  expect(told.map(({ leftMs }) => leftMs)).toEqual([1000, 0])
})

test('no time means no retry; a failure for good is not retried either', async () => {
  const { told, retries } = world(0)
  await expect(withRetries(() => Promise.reject(busy()), retries)).rejects.toThrow('busy (it was not retried)')
  const final = new MillraceError('SINK_FAILED', 'wrong')
  await expect(withRetries(() => Promise.reject(final), world(1000).retries)).rejects.toBe(final)
  expect(told).toEqual([])
})

test('a stop ends the waiting between tries', async () => {
  const { retries } = world(1000)
  const stop = new AbortController()
  const onRetry = () => stop.abort()
  expect(await withRetries(() => Promise.reject(busy()), { ...retries, stop: stop.signal, onRetry })).toBe(null)
})

test('work that is abandoned and never ends is left behind; what ends soon after still counts', async () => {
  const abandon = new AbortController()
  const { retries, time } = world(1000)
  const never = withRetries(() => new Promise(() => {}), { ...retries, abandon: abandon.signal })
  abandon.abort()
  expect(await never).toBe(null)
  expect(time.nowMs).toBe(500)
  expect(await withRetries(async () => 'done', { ...retries, abandon: abandon.signal })).toBe('done')
})

test('a stream waits a quarter of an hour by default, a run that ends a minute', () => {
  expect(defaultRetryPolicy).toMatchObject({ streamingMs: 900_000, endingMs: 60_000 })
})

test('spans of time are a number with its unit', () => {
  expect(['90s', '15m', '2h', '250ms', '1.5h', '1 d', '0s'].map(parseDuration)).toEqual([
    90_000, 900_000, 7_200_000, 250, 5_400_000, 86_400_000, 0,
  ])
  for (const text of ['', '5', 's', '-1s', '1e3s', '1w', '10 minutes', 'NaNs', '9999999999s'])
    expect(parseDuration(text)).toBe(null)
  expect([0, 850, 12_400, 900_000, 9_000_000].map(formatDuration)).toEqual([
    '0 ms',
    '850 ms',
    '12 s',
    '15 min',
    '2.5 h',
  ])
})
