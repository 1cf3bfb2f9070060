import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeFolder, makeFolderNow } from './make-folder.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-folder-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('a folder is made with those above it, and the first that was missing is named', async () => {
  expect(await makeFolder(join(root, 'a', 'b', 'c'), { mode: 0o700 })).toBe(join(root, 'a'))
  expect(statSync(join(root, 'a', 'b', 'c')).mode & 0o777).toBe(0o700)
  expect(await makeFolder(join(root, 'a', 'b', 'd'))).toBe(join(root, 'a', 'b', 'd'))
  expect(await makeFolder(join(root, 'a', 'b'))).toBe(null)
  symlinkSync(join(root, 'a'), join(root, 'link'))
  expect(await makeFolder(join(root, 'link'))).toBe(null)
})

test('callers that make the same folders at once all find them', async () => {
  const path = join(root, 'x', 'y', 'z')
  await Promise.all(Array.from({ length: 20 }, () => makeFolder(path)))
  expect(existsSync(path)).toBe(true)
})

test('the same at once, without waiting', () => {
  for (let i = 0; i < 2; i += 1) makeFolderNow(join(root, 'now', 'b', 'c'))
  expect(existsSync(join(root, 'now', 'b', 'c'))).toBe(true)
})

test('a file in the way is an error', async () => {
  writeFileSync(join(root, 'file'), '')
  await expect(makeFolder(join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(makeFolder(join(root, 'file', 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  expect(() => makeFolderNow(join(root, 'file', 'below'))).toThrow('ENOTDIR')
})

test.skipIf(!existsSync('/proc/self'))('a folder that can hold none is an error, not an endless wait', async () => {
  await expect(makeFolder('/proc/millrace/data')).rejects.toMatchObject({ code: 'ENOENT' })
  expect(() => makeFolderNow('/proc/millrace/data')).toThrow('ENOENT')
})
