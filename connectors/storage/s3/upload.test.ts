import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { seededDraw } from '../../../checks/random.ts'
import type { Clock } from '../../../engine/contracts.ts'
import type { S3Store } from '../s3.ts'
import { openTestBucket, service, type TestBucket } from './bucket.testing.ts'
import { type FaultProxy, first, type Seen, startProxy } from './proxy.testing.ts'
import type { UploadLimits } from './upload.ts'

const clock: Clock = { nowMs: () => Date.now(), sleep: async () => {} }
const mebibyte = 2 ** 20
const inParts: UploadLimits = { wholeUpToBytes: mebibyte, partBytes: 5 * mebibyte, partsAtOnce: 2 }
const isPart = ({ method, url }: Seen): boolean => method === 'PUT' && url.includes('partNumber=')
const isBegin = ({ method, url }: Seen): boolean => method === 'POST' && url.includes('uploads')
const isComplete = ({ method, url }: Seen): boolean => method === 'POST' && url.includes('uploadId=')
const hash = (body: Uint8Array | null): string =>
  createHash('sha256')
    .update(body ?? '')
    .digest('hex')

describe.skipIf(service.endpoint === '')('uploading a file (needs AWS_ENDPOINT_URL_S3)', () => {
  let bucket: TestBucket
  let proxy: FaultProxy
  let body: Buffer
  beforeAll(async () => {
    bucket = openTestBucket()
    proxy = await startProxy(service.endpoint)
    body = Buffer.alloc(12 * mebibyte + 12_345)
    const draw = seededDraw(7)
    for (let i = 0; i < body.length; i += 4) body.writeInt32LE(draw(2 ** 31), Math.min(i, body.length - 4))
  })
  afterEach(() => proxy.rule(() => 'pass'))
  afterAll(async () => {
    await proxy.close()
    await bucket.close()
  })

  let files = 0
  function stage(): string {
    const path = join(bucket.dir, `staged-${files++}`)
    writeFileSync(path, body)
    return path
  }
  function open(): { readonly store: S3Store; readonly unfinished: () => Promise<string[]> } {
    const { prefix } = bucket.settings()
    const store = bucket.open({ prefix, endpoint: proxy.endpoint }, { clock, upload: inParts })
    return { store, unfinished: () => bucket.unfinishedUploads(`${prefix}/t/part`) }
  }

  test('a large file arrives in parts, byte for byte, and is gone here', async () => {
    const { store, unfinished } = open()
    const path = stage()
    const before = proxy.seen.length
    await store.putFile('t/part', path)
    expect(proxy.seen.slice(before).filter(isPart)).toHaveLength(3)
    expect(hash(await store.get('t/part'))).toBe(hash(body))
    expect(existsSync(path)).toBe(false)
    expect(await unfinished()).toEqual([])
  })

  test('a large file does not replace an object, and leaves no parts', async () => {
    const { store, unfinished } = open()
    await store.put('t/part', Buffer.from('x'))
    const path = stage()
    await expect(store.putFile('t/part', path)).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining('file exists already'),
    })
    expect(Buffer.from((await store.get('t/part'))!).toString()).toBe('x')
    expect(await unfinished()).toEqual([])
    expect(existsSync(path)).toBe(true)
  })

  test('a part that fails for good leaves no parts and no object', async () => {
    const { store, unfinished } = open()
    proxy.rule((seen) => (seen.url.includes('partNumber=2') ? { status: 500, code: 'InternalError' } : 'pass'))
    await expect(store.putFile('t/part', stage())).rejects.toMatchObject({ code: 'STORAGE_FAILED', retryable: true })
    expect(await unfinished()).toEqual([])
    expect(await store.get('t/part')).toBeNull()
  })

  test.each([
    ['the first answer', isBegin],
    ['a part’s answer', isPart],
    ['the last answer', isComplete],
  ])('%s may be lost', async (_, matches) => {
    const { store, unfinished } = open()
    proxy.rule(first(1, matches, 'cut-after'))
    await store.putFile('t/part', stage())
    expect(hash(await store.get('t/part'))).toBe(hash(body))
    expect(await unfinished()).toEqual([])
  })

  test('what was uploaded need not be downloaded again', async () => {
    const { store } = open()
    const key = 't/part-5b0ea4e5-0c46-4b2c-9d8e-2a54e2c0b8a1.parquet'
    await store.putFile(key, stage())
    const before = proxy.seen.length
    expect(hash(readFileSync(await store.localFile(key)))).toBe(hash(body))
    expect(proxy.seen.length).toBe(before)
  })
})
