import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemIds } from '../../engine/clock.ts'
import { storeIdentity } from './identity.ts'
import { localStore } from './local.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-identity-'))
afterAll(() => rmSync(root, { recursive: true }))

test('a store keeps its id, whoever asks and however many at once, and another store has another', async () => {
  const ask = (name: string) => storeIdentity(localStore(join(root, name)), systemIds)
  const [first, ...others] = await Promise.all(Array.from({ length: 8 }, () => ask('a')))
  expect(new Set(others)).toEqual(new Set([first]))
  expect(await ask('a')).toBe(first)
  expect(await ask('b')).not.toBe(first)
})

test('a damaged id is refused with what to do', async () => {
  const store = localStore(join(root, 'damaged'))
  await storeIdentity(store, systemIds)
  for (const text of ['', '{}', '{"id":"../x"}', 'null']) {
    writeFileSync(join(root, 'damaged', '_millrace', 'identity.json'), text)
    await expect(storeIdentity(store, systemIds)).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining('delete it'),
    })
  }
})
