import { expect, test } from 'vitest'
import { memoryStore } from '../storage/memory.ts'
import { openDeltaTable } from './delta-table.ts'
import { entryKey, printLogEntry } from './log-entry.ts'
import { remainingEntries } from './remaining-entries.ts'
import { addAction, tableOptions } from './tables.testing.ts'

async function versionsLeft(stored: readonly bigint[], end: bigint): Promise<bigint[]> {
  const store = memoryStore()
  for (const version of stored) await store.put(entryKey('t', version), printLogEntry([addAction(`file-${version}`)]))
  const table = openDeltaTable(tableOptions(store))
  const versions: bigint[] = []
  for await (const { version } of remainingEntries({ store, table, end })) versions.push(version)
  return versions
}

test('what is left of a log is read oldest first, up to a version', async () => {
  const all = Array.from({ length: 40 }, (_, i) => BigInt(i))
  expect(await versionsLeft(all, 40n)).toEqual(all)
  expect(await versionsLeft(all, 3n)).toEqual([0n, 1n, 2n])
  expect(await versionsLeft([], 1n)).toEqual([])
})

test('entries that are gone, at the beginning and between others, are passed over', async () => {
  expect(await versionsLeft([7n, 8n, 9n], 10n)).toEqual([7n, 8n, 9n])
  expect(await versionsLeft([2n, 5n, 6n, 9n], 10n)).toEqual([2n, 5n, 6n, 9n])
})
