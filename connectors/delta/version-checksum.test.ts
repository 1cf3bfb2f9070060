import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { memoryStore } from '../storage/memory.ts'
import type { Action } from './actions.ts'
import { openDeltaTable } from './delta-table.ts'
import { entryKey } from './log-entry.ts'
import { checkpointKey } from './log-listing.ts'
import type { DeltaTable } from './table.ts'
import { addAction, creation, liveFiles, removeAction, tableOptions, transaction, txnAction } from './tables.testing.ts'
import { checksumKey } from './version-checksum.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-checksum-'))
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

let names = 0
const open = (store: ObjectStore, checkpointInterval = 1_000_000): DeltaTable =>
  openDeltaTable(
    tableOptions(store, {
      duckdb: async () => duckdb,
      stagingDir: dir,
      checkpointInterval,
      ids: { uuid: () => `name-${names++}`, random: () => 0 },
    }),
  )

/** A commit, and the checksum after it. */
async function commit(table: DeltaTable, actions: readonly Action[]): Promise<void> {
  expect((await table.commit(transaction(await table.snapshot(), actions))).kind).toBe('committed')
  await table.settled()
}

async function build(store: ObjectStore, versions: number, checkpointInterval?: number): Promise<DeltaTable> {
  const table = open(store, checkpointInterval)
  for (let v = 0; v < versions; v++)
    await commit(table, [...(v === 0 ? creation() : []), addAction(`f${v}`, { size: 10n }), txnAction('a', BigInt(v))])
  return table
}

async function checksumOf(store: ObjectStore, version: bigint): Promise<Record<string, unknown> | null> {
  const body = await store.get(checksumKey('t', version))
  return body === null ? null : JSON.parse(Buffer.from(body).toString())
}

function counted(store: ObjectStore): ObjectStore & { requests: number } {
  const counting = {
    ...store,
    requests: 0,
    get(key: string) {
      counting.requests += 1
      return store.get(key)
    },
    localFile(key: string) {
      counting.requests += 1
      return store.localFile(key)
    },
    list(prefix: string, startAfter?: string) {
      counting.requests += 1
      return store.list(prefix, startAfter)
    },
  }
  return counting
}

test('every commit leaves a checksum with what a table is made of, but for its files', async () => {
  const store = memoryStore({ localDir: dir })
  await build(store, 3)
  expect(await checksumOf(store, 2n)).toMatchObject({
    txnId: expect.any(String),
    numFiles: 3,
    tableSizeBytes: 30,
    numMetadata: 1,
    numProtocol: 1,
    setTransactions: [{ appId: 'a', version: 2, lastUpdated: 0 }],
    metadata: { id: 'test' },
    protocol: { minReaderVersion: 1, minWriterVersion: 2 },
  })
})

test('a table is opened in four requests however long its log is, and appended to without its files', async () => {
  const store = memoryStore({ localDir: dir })
  await build(store, 25, 10)
  const seen = counted(store)
  const table = open(seen)
  const snapshot = (await table.snapshot())!
  expect(seen.requests).toBe(4) // hint, listing, checksum and entry
  expect([snapshot.version, snapshot.txns.get('a')?.version]).toEqual([24n, 24n])
  await store.delete(checkpointKey('t', 20n)) // of no use to who only appends
  await store.delete(checkpointKey('t', 10n))
  await commit(table, [addAction('g', { size: 5n }), txnAction('a', 25n)])
  expect(await checksumOf(store, 25n)).toMatchObject({ numFiles: 26, tableSizeBytes: 255 })
})

test('entries after the newest checksum are read as well', async () => {
  const store = memoryStore()
  await build(store, 6)
  for (const version of [3n, 4n, 5n]) await store.delete(checksumKey('t', version))
  const table = open(store)
  expect((await table.snapshot())?.txns.get('a')?.version).toBe(5n)
  await commit(table, [addAction('g', { size: 5n })])
  expect(await checksumOf(store, 6n)).toMatchObject({ numFiles: 7, tableSizeBytes: 65 })
  expect((await liveFiles(table)).size).toBe(7)
})

test.each([
  ['damaged', 'not JSON'],
  ['without transaction identifiers', JSON.stringify({ numFiles: 0, tableSizeBytes: 0 })],
])('a checksum that is %s is passed over', async (_, text) => {
  const store = memoryStore()
  await build(store, 3)
  await store.put(checksumKey('t', 2n), Buffer.from(text))
  const snapshot = (await open(store).snapshot())!
  expect([snapshot.txns.get('a')?.version, (await snapshot.files()).size]).toEqual([2n, 3])
})

test('a checksum that another table left under the path is passed over', async () => {
  const store = memoryStore()
  await build(store, 3)
  for (const version of [0n, 1n, 2n]) await store.delete(entryKey('t', version))
  const other = open(store)
  for (const name of ['x', 'y', 'z'])
    await other.commit(
      transaction(await other.snapshot(), [...(name === 'x' ? creation('other') : []), addAction(name)]),
    )
  const snapshot = (await open(store).snapshot())!
  expect([snapshot.metaData.id, snapshot.txns.size]).toEqual(['other', 0])
})

test('totals are not told where another writer left them open', async () => {
  const store = memoryStore()
  await build(store, 3)
  const body = `${JSON.stringify({ commitInfo: { operation: 'COMPUTE STATS' } })}\n${JSON.stringify({
    add: {
      path: 'f1',
      partitionValues: {},
      size: 10,
      modificationTime: 0,
      dataChange: false,
      stats: '{"numRecords":1}',
    },
  })}\n`
  await store.putIfAbsent(entryKey('t', 3n), Buffer.from(body))
  const table = open(store)
  await commit(table, [txnAction('a', 9n)])
  expect(await checksumOf(store, 4n)).toBeNull()
  await liveFiles(table)
  await commit(table, [txnAction('a', 10n)])
  expect(await checksumOf(store, 5n)).toMatchObject({ numFiles: 3, tableSizeBytes: 30 })
})

test('who appends without the files writes checkpoints from the one before', async () => {
  const store = memoryStore({ localDir: dir })
  await build(store, 5, 4) // one at version 4
  const table = open(store, 4)
  await table.snapshot()
  for (const version of [0n, 1n, 2n, 3n, 4n]) await store.delete(entryKey('t', version))
  await commit(table, [addAction('g')])
  await commit(table, [{ remove: { ...(removeAction('f1') as { remove: object }).remove, size: 10n } } as Action])
  for (const n of [7n, 8n]) await commit(table, [txnAction('a', n)])
  for (const version of [5n, 6n, 7n, 8n]) await store.delete(checksumKey('t', version))
  const again = (await open(store).snapshot())!
  expect(again.version).toBe(8n)
  expect([...(await again.files()).keys()].sort()).toEqual(['f0', 'f2', 'f3', 'f4', 'g'])
})
