import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededDraw } from '../../../checks/random.ts'
import { compareKeys } from '../key.ts'
import type { S3Store } from '../s3.ts'
import { openTestBucket, service, type TestBucket } from './bucket.testing.ts'

describe.skipIf(service.endpoint === '')('listing (needs AWS_ENDPOINT_URL_S3)', () => {
  let bucket: TestBucket
  let store: S3Store
  let prefix: string
  const keys = Array.from({ length: 1_050 }, (_, i) => `${i % 3 === 0 ? 'a' : 'a-b'}/${String(i).padStart(5, '0')}`)
  beforeAll(async () => {
    bucket = openTestBucket()
    prefix = bucket.settings().prefix
    store = bucket.open({ prefix })
    let next = 0
    const writer = async () => {
      for (let i = next++; i < keys.length; i = next++) await store.put(keys[i]!, Buffer.from('x'))
    }
    await Promise.all(Array.from({ length: 20 }, writer))
  })
  afterAll(() => bucket.close())

  async function listed(from: S3Store, under = '', startAfter?: string): Promise<string[]> {
    const found: string[] = []
    for await (const { key } of from.list(under, startAfter)) found.push(key)
    return found
  }
  const expected = (under: string, after: string) =>
    keys.filter((key) => key.startsWith(under) && compareKeys(key, after) > 0).sort(compareKeys)

  test('more objects than a page holds are listed once each, in order', async () => {
    expect(await listed(store)).toEqual(expected('', ''))
  })

  test('however long the pages are, every prefix and start gives what a plain sort gives', async () => {
    const seed = Date.now() % 2 ** 31
    const draw = seededDraw(seed)
    for (let round = 0; round < 12; round += 1) {
      const pageSize = 1 + draw(400)
      const under = ['', 'a', 'a/', 'a-b/', 'a/0', 'zz'][draw(6)]!
      const after = ['', 'a', 'a/', 'a-b/00500', 'b', keys[draw(keys.length)]!][draw(6)]!
      const paged = bucket.open({ prefix }, { pageSize })
      expect(await listed(paged, under, after), `seed ${seed} round ${round}`).toEqual(expected(under, after))
    }
  })

  test('a start within a folder finds what follows, however much its neighbours hold', async () => {
    const paged = bucket.open({ prefix }, { pageSize: 7 })
    for (const under of ['', 'a', 'a/', 'a/0'])
      for (const after of ['a-b/\u{10ffff}', 'a/', 'a/00003', 'a/00003x', 'a/01000/x/y'])
        expect(await listed(paged, under, after), `under ${under} after ${after}`).toEqual(expected(under, after))
  })

  test('objects that are no keys of ours are passed over', async () => {
    const [above, below] = ['outer', 'outer/.hidden'].map((name) => bucket.open({ prefix: `${prefix}/${name}` }))
    await below!.put('x', Buffer.from('x'))
    await above!.put('y', Buffer.from('y'))
    expect(await listed(above!)).toEqual(['y'])
  })
})
