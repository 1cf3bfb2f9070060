import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../engine/contracts.ts'
import { localStore } from './local.ts'
import { memoryStore } from './memory.ts'
import { openTestBucket, service } from './s3/bucket.testing.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-store-'))
const bucket = service.endpoint === '' ? null : openTestBucket()
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true })
  await bucket?.close()
})

let stores = 0
const kinds: Record<string, () => ObjectStore> = {
  'local store': () => localStore(join(dir, `lake-${stores++}`, 'new')),
  'memory store': () => memoryStore({ localDir: dir }),
  ...(bucket === null ? {} : { 's3 store': () => bucket.open() }),
}
const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (body: Uint8Array | null): string | null => body && Buffer.from(body).toString()

async function keys(store: ObjectStore, prefix = '', startAfter?: string): Promise<string[]> {
  const found: string[] = []
  for await (const info of store.list(prefix, startAfter)) found.push(info.key)
  return found
}

for (const [kind, open] of Object.entries(kinds))
  describe(kind, () => {
    test('a missing object is null, a written one is read back whole', async () => {
      const store = open()
      expect(await store.get('a/b')).toBeNull()
      expect(await store.putIfAbsent('a/b', bytes('one'))).toBe(true)
      expect(text(await store.get('a/b'))).toBe('one')
      expect(await store.get('a/b/c')).toBeNull()
      expect(await store.get('a')).toBeNull()
    })

    test('an object that exists is not overwritten by putIfAbsent, but by put', async () => {
      const store = open()
      await store.putIfAbsent('a', bytes('one'))
      expect(await store.putIfAbsent('a', bytes('two'))).toBe(false)
      expect(text(await store.get('a'))).toBe('one')
      await store.put('a', bytes('three'))
      expect(text(await store.get('a'))).toBe('three')
    })

    test('of many that put one key exactly one wins', async () => {
      const store = open()
      const won = await Promise.all(Array.from({ length: 40 }, (_, i) => store.putIfAbsent('k/x', bytes(String(i)))))
      expect(won.filter(Boolean)).toHaveLength(1)
      expect(text(await store.get('k/x'))).toBe(String(won.indexOf(true)))
    })

    test('keys are listed in byte order, under a prefix, after a key', async () => {
      const store = open()
      const all = ['a.b', 'a/b', 'a/b.c/d', 'a/c', 'a0', 'b/\u{1f600}', 'b/\uff5e', 'b/é', 'c']
      for (const key of all.toReversed()) await store.putIfAbsent(key, bytes(key))
      const sorted = all.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
      expect(await keys(store)).toEqual(sorted)
      expect(await keys(store, 'a')).toEqual(['a.b', 'a/b', 'a/b.c/d', 'a/c', 'a0'])
      expect(await keys(store, 'a/')).toEqual(['a/b', 'a/b.c/d', 'a/c'])
      expect(await keys(store, 'a/b')).toEqual(['a/b', 'a/b.c/d'])
      expect(await keys(store, 'nothing/')).toEqual([])
      for (const after of ['', 'a', 'a/b', 'a/b.', 'a/b.c/d', 'b/', 'b/é', 'zz'])
        expect(await keys(store, '', after)).toEqual(
          sorted.filter((key) => Buffer.from(key).compare(Buffer.from(after)) > 0),
        )
    })

    test('a listed object says its size and when it was written', async () => {
      const store = open()
      await store.putIfAbsent('a', bytes('12345'))
      for await (const info of store.list('')) {
        expect(info.sizeBytes).toBe(5)
        expect(Math.abs(info.modifiedMs - Date.now())).toBeLessThan(60_000)
      }
    })

    test('a file moves in under a new key only', async () => {
      const store = open()
      const path = join(dir, `staged-${stores++}`)
      writeFileSync(path, 'rows')
      await store.putFile('t/part-1', path)
      expect(text(await store.get('t/part-1'))).toBe('rows')
      await expect(readFile(path)).rejects.toThrow('ENOENT')
      writeFileSync(path, 'others')
      await expect(store.putFile('t/part-1', path)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
      expect(text(await store.get('t/part-1'))).toBe('rows')
      expect(await readFile(await store.localFile('t/part-1'), 'utf8')).toBe('rows')
    })

    test('a missing file is named', async () => {
      await expect(open().localFile('t/part-9')).rejects.toMatchObject({
        code: 'TABLE_CORRUPT',
        message: expect.stringContaining('t/part-9'),
      })
    })

    test('deleting is repeatable', async () => {
      const store = open()
      await store.put('a/b', bytes('x'))
      await store.delete('a/b')
      await store.delete('a/b')
      expect(await store.get('a/b')).toBeNull()
    })

    test('keys that leave the root or hide are refused', async () => {
      const store = open()
      for (const key of ['', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', '.hidden', 'a/.b', 'a\0b'])
        await expect(store.put(key, bytes('x')), key).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    })
  })

test('unfinished files are neither listed nor left behind', async () => {
  const root = join(dir, 'clean')
  const store = localStore(root)
  await store.put('t/a', bytes('x'))
  await store.putIfAbsent('t/a', bytes('y'))
  expect(readdirSync(join(root, 't'))).toEqual(['a'])
  writeFileSync(join(root, 't', '.half.tmp'), 'half of a file')
  expect(await keys(store)).toEqual(['t/a'])
})

test('a refusing disk is named with what to do', async () => {
  const root = join(dir, 'closed')
  await mkdir(root)
  await chmod(root, 0o500)
  try {
    const store = localStore(root)
    if (process.getuid?.() === 0) return // root may write anywhere
    await expect(store.put('a', bytes('x'))).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      retryable: false,
      message: expect.stringContaining('permission denied'),
    })
    expect(readdirSync(root)).toEqual([])
  } finally {
    await chmod(root, 0o700)
  }
})
