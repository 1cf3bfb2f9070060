import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Clock } from '../../../engine/contracts.ts'
import type { S3Store } from '../s3.ts'
import { openTestBucket, service, type TestBucket } from './bucket.testing.ts'
import { type FaultProxy, first, type Seen, startProxy } from './proxy.testing.ts'
import { defaultS3Retries } from './requests.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const isPut = ({ method }: Seen): boolean => method === 'PUT'
/** Time that passes by itself: no test waits for a retry. */
const clock: Clock = { nowMs: () => Date.now(), sleep: async () => {} }

describe.skipIf(service.endpoint === '')('creating an object once (needs AWS_ENDPOINT_URL_S3)', () => {
  let bucket: TestBucket
  let proxy: FaultProxy
  beforeAll(async () => {
    bucket = openTestBucket()
    proxy = await startProxy(service.endpoint)
  })
  afterEach(() => proxy.rule(() => 'pass'))
  afterAll(async () => {
    await proxy.close()
    await bucket.close()
  })
  /** Two stores on one folder, one of them through the proxy. */
  function openBoth(more = {}): { readonly store: S3Store; readonly other: S3Store } {
    const { prefix } = bucket.settings()
    return {
      store: bucket.open({ prefix, endpoint: proxy.endpoint }, { clock, ...more }),
      other: bucket.open({ prefix }),
    }
  }

  test('of sixteen clients that race for fifty keys one wins each, and its bytes are there', async () => {
    const { prefix } = bucket.settings()
    const clients = Array.from({ length: 16 }, () => bucket.open({ prefix }))
    const keys = Array.from({ length: 50 }, (_, i) => `t/_delta_log/${String(i).padStart(20, '0')}.json`)
    const won = await Promise.all(
      clients.map(async (client, who) => {
        const mine: string[] = []
        for (const key of keys) if (await client.putIfAbsent(key, bytes(`${who} ${key}`))) mine.push(key)
        return mine
      }),
    )
    expect(won.flat().sort()).toEqual(keys)
    for (const [who, mine] of won.entries())
      for (const key of mine) expect(Buffer.from((await clients[0]!.get(key))!).toString()).toBe(`${who} ${key}`)
  })

  test.each(['cut-after', 'hang-after'] as const)('a success whose answer was lost is our own: %s', async (fate) => {
    const { store, other } = openBoth({ requestTimeoutMs: 300 })
    proxy.rule(first(1, isPut, fate))
    expect(await store.putIfAbsent('k', bytes('same'))).toBe(true)
    expect(await other.putIfAbsent('k', bytes('same'))).toBe(false)
    expect(await store.putIfAbsent('k', bytes('same'))).toBe(false)
  })

  test('what another put while our try was lost is another’s, even of the same bytes', async () => {
    const { prefix } = bucket.settings()
    const theirs = bucket.open({ prefix })
    const meanwhile: Clock = { ...clock, sleep: async () => void (await theirs.putIfAbsent('k', bytes('same'))) }
    const mine = bucket.open({ prefix, endpoint: proxy.endpoint }, { clock: meanwhile })
    proxy.rule(first(1, isPut, 'cut-before'))
    expect(await mine.putIfAbsent('k', bytes('same'))).toBe(false)
  })

  test('a second writer in the same moment (409) is waited for, and so is a failing service', async () => {
    const { store } = openBoth()
    let answers = 0
    proxy.rule((seen) => {
      if (!isPut(seen)) return 'pass'
      answers += 1
      if (answers === 1) return { status: 409, code: 'ConditionalRequestConflict' }
      return answers < 4 ? { status: 503, code: 'SlowDown' } : 'pass'
    })
    expect(await store.putIfAbsent('k', bytes('x'))).toBe(true)
    expect(answers).toBe(4)
  })

  test('the whole body is there before the request begins, and it is sent once', async () => {
    const { store } = openBoth()
    const before = proxy.seen.length
    expect(await store.putIfAbsent('k', bytes('x'))).toBe(true)
    expect(proxy.seen.slice(before).map(({ method }) => method)).toEqual(['PUT'])
  })

  test('a service that hangs is given up within its timeouts, as something that may pass', async () => {
    const { store, other } = openBoth({ requestTimeoutMs: 200, retries: { ...defaultS3Retries, attempts: 2 } })
    proxy.rule(() => 'hang-after')
    const startedMs = performance.now()
    const failed = { code: 'STORAGE_FAILED', retryable: true, message: expect.stringContaining('no answer in time') }
    await expect(store.putIfAbsent('k', bytes('x'))).rejects.toMatchObject(failed)
    await expect(store.get('k')).rejects.toMatchObject(failed)
    expect(performance.now() - startedMs).toBeLessThan(5_000)
    expect(await other.get('k')).not.toBeNull() // the outcome of what was thrown is unknown: here it was written
  })

  test('a service that ignores the condition is refused before anything rests on it', async () => {
    const { store } = openBoth()
    proxy.rule((seen) => (isPut(seen) ? { status: 200, code: '' } : 'pass'))
    await expect(store.assertUsable()).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      retryable: false,
      message: expect.stringContaining('If-None-Match'),
    })
  })

  test('a bucket that will do is said to, each time, and nothing of it is listed', async () => {
    const { store } = openBoth()
    await store.assertUsable()
    await store.assertUsable()
    for await (const { key } of store.list('')) throw new Error(`listed: ${key}`)
  })
})
