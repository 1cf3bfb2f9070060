import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Clock } from '../../../engine/contracts.ts'
import type { S3Store } from '../s3.ts'
import { openTestBucket, service, type TestBucket } from './bucket.testing.ts'
import { type FaultProxy, first, type Seen, startProxy } from './proxy.testing.ts'

const clock: Clock = { nowMs: () => Date.now(), sleep: async () => {} }
const isGet = ({ method }: Seen): boolean => method === 'GET'

describe.skipIf(service.endpoint === '')('local copies (needs AWS_ENDPOINT_URL_S3)', () => {
  let bucket: TestBucket
  let proxy: FaultProxy
  let store: S3Store
  let requests: () => string[]
  beforeAll(async () => {
    bucket = openTestBucket()
    proxy = await startProxy(service.endpoint)
  })
  afterAll(async () => {
    await proxy.close()
    await bucket.close()
  })
  afterEach(() => proxy.rule(() => 'pass'))

  const content = 'rows '.repeat(50_000)
  const unique = 't/part-9b7e7f0e-3c7a-4f5e-8a39-0c1f9f3b6a11.parquet'
  function open(): void {
    store = bucket.open({ endpoint: proxy.endpoint }, { clock })
    const before = proxy.seen.length
    requests = () => proxy.seen.slice(before).map(({ method }) => method)
  }
  const read = async (key: string): Promise<string> => readFileSync(await store.localFile(key), 'utf8')

  test('a data file is asked for and downloaded once', async () => {
    open()
    await store.put(unique, Buffer.from(content))
    for (const _ of Array(5)) expect(await read(unique)).toBe(content)
    expect(requests()).toEqual(['PUT', 'HEAD', 'GET'])
  })

  test('a key that names another object by now gives that one', async () => {
    open()
    const key = 't/_delta_log/00000000000000000010.checkpoint.parquet'
    await store.put(key, Buffer.from('one'))
    expect(await read(key)).toBe('one')
    await store.put(key, Buffer.from('two'))
    expect(await read(key)).toBe('two')
    await store.delete(key)
    await expect(store.localFile(key)).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
  })

  test('an answer that breaks off is asked for again, into memory and into a file', async () => {
    open()
    await store.put(unique, Buffer.from(content))
    proxy.rule(first(1, isGet, 'half'))
    expect(await read(unique)).toBe(content)
    proxy.rule(first(1, isGet, 'half'))
    expect(Buffer.from((await store.get(unique))!).toString()).toBe(content)
    expect(requests().filter((method) => method === 'GET')).toHaveLength(4)
  })

  test('a copy that lost bytes is downloaded again', async () => {
    open()
    await store.put(unique, Buffer.from(content))
    truncateSync(await store.localFile(unique), 10)
    expect(await read(unique)).toBe(content)
  })

  test('a small file that was uploaded is read without a request', async () => {
    open()
    const path = join(bucket.dir, 'staged')
    writeFileSync(path, content)
    await store.putFile(unique, path)
    expect(await read(unique)).toBe(content)
    expect(requests()).toEqual(['PUT'])
  })
})
