import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { systemIds } from '../../engine/clock.ts'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Duckdb, literal, openDuckdb, type Row } from '../../engine/duckdb.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { Column } from '../../engine/schema.ts'
import { localStore } from '../storage/local.ts'
import { memoryStore } from '../storage/memory.ts'
import type { Action } from './actions.ts'
import { createActions } from './create.ts'
import { openDeltaTable } from './delta-table.ts'
import { printJson } from './int64-json.ts'
import { entryKey, versionName } from './log-entry.ts'
import { checkpointKey, hintKey } from './log-listing.ts'
import { mayMatchRange, rowsOf } from './statistics.ts'
import type { DeltaTable } from './table.ts'
import type { DeltaTableOptions } from './table-options.ts'
import { addAction, creation, liveFiles, removeAction, tableOptions, transaction, txnAction } from './tables.testing.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-checkpoint-'))
const staging = join(dir, 'staging')
mkdirSync(staging)
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterEach(() => armFault(null))
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

let ids = 0
function open(store: ObjectStore, more: Partial<DeltaTableOptions> = {}): DeltaTable {
  const counted = { uuid: () => `c${ids++}`, random: () => 0 }
  const defaults = { duckdb: async () => duckdb, stagingDir: staging, checkpointInterval: 5, ids: counted }
  return openDeltaTable(tableOptions(store, { ...defaults, ...more }))
}
async function commit(table: DeltaTable, actions: readonly Action[]): Promise<void> {
  expect((await table.commit(transaction(await table.snapshot(), actions))).kind).toBe('committed')
  await table.settled()
}
async function build(table: DeltaTable, versions: number): Promise<void> {
  for (let v = 0; v < versions; v++)
    await commit(table, [...(v === 0 ? creation() : []), addAction(`f${v}`, { stats: '{"numRecords":1}' })])
}
async function checkpoints(store: ObjectStore): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of store.list('t/_delta_log/'))
    if (key.endsWith('.parquet')) found.push(key.split('/').at(-1)!)
  return found.map((name) => name.replace(/^0+/, '').replace('.checkpoint.parquet', ''))
}
async function rows(path: string): Promise<Row[]> {
  return duckdb.withConnection((connection) => connection.rows(`SELECT * FROM read_parquet(${literal(path)})`))
}

test('a checkpoint is written by whoever commits a multiple of the interval, and the hint names it', async () => {
  const store = memoryStore({ localDir: dir })
  await build(open(store), 13)
  expect(await checkpoints(store)).toEqual(['5', '10'])
  expect(JSON.parse(String(Buffer.from((await store.get(hintKey('t')))!)))).toEqual({
    version: 10,
    size: 13,
    sizeInBytes: (await store.get(checkpointKey('t', 10n)))!.length,
    numOfAddFiles: 11,
  })
  expect(readdirSync(staging)).toEqual([])
})

test('a checkpoint holds protocol, metadata, transactions, live files and unexpired tombstones', async () => {
  const root = join(dir, 'full')
  const now = Date.parse('2024-05-05T00:00:00Z')
  const day = 86_400_000
  const table = open(localStore(root), { clock: { nowMs: () => now, sleep: async () => {} }, checkpointInterval: 2 })
  const remove = (path: string, ageDays: number): Action => ({
    remove: {
      path,
      dataChange: true,
      deletionTimestamp: BigInt(now - ageDays * day),
      partitionValues: { p: null },
      size: 3n,
    },
  })
  await commit(table, [
    ...creation(),
    addAction('gone'),
    addAction('long-gone'),
    addAction('again'),
    txnAction('app', 1n),
  ])
  const stats = '{"numRecords":2,"minValues":{"id":9007199254740993,"name":"\\u0000\\"é🎬"}}'
  await commit(table, [remove('gone', 6), remove('long-gone', 8), remove('again', 1), txnAction('app', 2n ** 53n + 1n)])
  await commit(table, [
    addAction('again'),
    addAction('kept', { stats, partitionValues: { p: null, q: 'x' }, tags: { t: '1' } }),
  ])
  const found = await rows(join(root, 't/_delta_log', `${versionName(2n)}.checkpoint.parquet`))
  const of = (kind: string): unknown[] => found.map((row) => row[kind]).filter((value) => value !== null)
  expect(found).toHaveLength(6)
  expect(of('protocol')).toEqual([
    { minReaderVersion: 1, minWriterVersion: 2, readerFeatures: null, writerFeatures: null },
  ])
  expect(of('metaData')).toMatchObject([{ id: 'test', partitionColumns: { items: [] } }].map(({ id }) => ({ id })))
  expect(of('txn')).toEqual([{ appId: 'app', version: 2n ** 53n + 1n, lastUpdated: 0n }])
  expect(of('remove')).toMatchObject([
    { path: 'gone', deletionTimestamp: BigInt(now - 6 * day), dataChange: false, size: 3n },
  ])
  expect(of('add')).toMatchObject([
    { path: 'again', dataChange: false, stats: null },
    { path: 'kept', stats, tags: [{ key: 't', value: '1' }] },
  ])
  for (let v = 0n; v < 2n; v++) await localStore(root).delete(entryKey('t', v))
  const snapshot = await open(localStore(root)).snapshot()
  const files = await snapshot!.files()
  expect([...files.keys()]).toEqual(['again', 'kept'])
  expect(files.get('kept')).toMatchObject({ stats, partitionValues: { p: null, q: 'x' }, tags: { t: '1' } })
})

test('DuckDB is asked for only when a checkpoint is due', async () => {
  let opened = 0
  const table = open(memoryStore({ localDir: dir }), {
    duckdb: async () => {
      opened += 1
      return duckdb
    },
  })
  await build(table, 5)
  expect(opened).toBe(0)
  await commit(table, [addAction('x')])
  expect(opened).toBe(1)
})

test('a checkpoint that fails does not fail the commit, and is made up for', async () => {
  const store = memoryStore({ localDir: dir })
  const failures: unknown[] = []
  let full = true
  const table = open(store, {
    duckdb: async () => (full ? Promise.reject(new Error('disk full')) : duckdb),
    onCheckpointFailed: (error) => failures.push(error),
  })
  await build(table, 6)
  expect(failures).toEqual([new Error('disk full')])
  full = false
  await commit(table, [addAction('x')])
  expect(await checkpoints(store)).toEqual(['6'])
  expect(readdirSync(staging)).toEqual([])
})

test('a checkpoint that a killed writer owed is made up for after the restart', async () => {
  const store = memoryStore({ localDir: dir })
  await build(open(store, { checkpointInterval: 1000 }), 12)
  await commit(open(store), [addAction('x')])
  expect(await checkpoints(store)).toEqual(['12'])
})

test('a crash between checkpoint and hint leaves a table that is read by its listing', async () => {
  const store = memoryStore({ localDir: dir })
  await build(open(store), 5)
  armFault({ point: 'log-checkpoint-written', passage: 1, action: 'crash' })
  const table = open(store)
  const once = transaction(await table.snapshot(), [addAction('x')])
  expect((await table.commit(once)).kind).toBe('committed')
  await expect(table.settled()).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  armFault(null)
  expect(await store.get(hintKey('t'))).toBeNull()
  for (let v = 0n; v < 5n; v++) await store.delete(entryKey('t', v))
  expect((await liveFiles(open(store))).size).toBe(6)
})

test('a checkpoint of another writer is left alone', async () => {
  const store = memoryStore({ localDir: dir })
  const foreign = Buffer.from('theirs')
  const table = open(store)
  await build(table, 5)
  await store.put(checkpointKey('t', 5n), foreign)
  await commit(table, [addAction('x')])
  expect(Buffer.from((await store.get(checkpointKey('t', 5n)))!)).toEqual(foreign)
  expect(await store.get(hintKey('t'))).toBeNull()
})

test('a checkpoint of any kind gives the same table, once all of its files are there', async () => {
  const store = memoryStore({ localDir: dir })
  await build(open(store, { checkpointInterval: 7 }), 8)
  const expected = [...(await liveFiles(open(store))).keys()].sort()
  const classic = await store.localFile(checkpointKey('t', 7n))
  const own = (name: string) => `t/_delta_log/${name}`
  const copy = async (key: string, where: string) => {
    const path = join(staging, `${systemIds.uuid()}.parquet`)
    const query = `SELECT * FROM read_parquet(${literal(classic)}) WHERE ${where}`
    await duckdb.withConnection((connection) => connection.run(`COPY (${query}) TO ${literal(path)}`))
    await store.putFile(key, path)
  }
  const read = async () => [...(await liveFiles(open(store))).keys()].sort()
  const [first, second] = [1, 2].map((n) => own(`${versionName(7n)}.checkpoint.000000000${n}.0000000002.parquet`))
  await copy(first!, `"add" IS NULL OR "add".path < 'f4'`)
  await copy(own('_sidecars/a.parquet'), `"add".path < 'f4'`)
  await copy(own('_sidecars/b.parquet'), `"add".path >= 'f4'`)
  await store.delete(checkpointKey('t', 7n))
  await store.delete(entryKey('t', 0n))

  await expect(read()).rejects.toMatchObject({ code: 'TABLE_CORRUPT' }) // a part alone is none
  await copy(second!, `"add".path >= 'f4'`)
  expect(await read()).toEqual(expected)

  await store.delete(first!)
  const sidecars = ['a', 'b'].map((name) => ({
    sidecar: { path: `${name}.parquet`, sizeInBytes: 1, modificationTime: 0 },
  }))
  const lines = [{ checkpointMetadata: { version: 7 } }, ...creation(), ...sidecars].map((action) => printJson(action))
  await store.put(own(`${versionName(7n)}.checkpoint.ab-cd.json`), Buffer.from(lines.join('\n')))
  expect(await read()).toEqual(expected)

  await store.delete(own('_sidecars/b.parquet'))
  await expect(read()).rejects.toMatchObject({
    code: 'TABLE_CORRUPT',
    message: expect.stringContaining('b.parquet'),
  })
})

test('of a checkpoint with statistics as structs only, the counts of rows are known', async () => {
  const store = memoryStore({ localDir: dir })
  await build(open(store, { checkpointInterval: 3 }), 4)
  const classic = await store.localFile(checkpointKey('t', 3n))
  const path = join(staging, `${systemIds.uuid()}.parquet`)
  const parsed = `{'numRecords': 7::BIGINT, 'minValues': {'id': 1}}`
  const add = `CASE WHEN "add" IS NULL THEN NULL ELSE {'path': "add".path, 'partitionValues': "add".partitionValues, 'size': "add".size, 'modificationTime': "add".modificationTime, 'dataChange': true, 'stats_parsed': ${parsed}} END`
  await duckdb.withConnection((connection) =>
    connection.run(
      `COPY (SELECT * REPLACE (${add} AS "add") FROM read_parquet(${literal(classic)})) TO ${literal(path)}`,
    ),
  )
  await store.delete(checkpointKey('t', 3n))
  await store.putFile(checkpointKey('t', 3n), path)
  await store.delete(entryKey('t', 0n))
  expect([...(await liveFiles(open(store))).values()].map(rowsOf)).toEqual([7n, 7n, 7n, 7n])
})

test('the checkpoint of a large table is written beside commits, from the one before, and holds the same', async () => {
  const store = memoryStore({ localDir: dir })
  const table = open(store, { checkpointInterval: 2 })
  const many = Array.from({ length: 6000 }, (_, i) => addAction(`f${i}`, { stats: '{"numRecords":1}' }))
  await commit(table, [...creation(), ...many])
  await commit(table, [removeAction('f1'), txnAction('app', 7n)])
  await commit(table, [addAction('late')]) // 2: the first one, from the state
  await table.settled()
  await commit(table, [removeAction('f2'), removeAction('late')])
  await commit(table, [addAction('f1'), addAction('later')]) // 4: from the one before
  await table.settled()
  const { names } = await duckdb.withConnection(async (connection) =>
    connection.describe(`SELECT * FROM read_parquet(${literal(await store.localFile(checkpointKey('t', 4n)))})`),
  )
  expect(names).toContain('add')
  for (const version of [0n, 1n, 2n, 3n]) await store.delete(entryKey('t', version))
  const [ours, read] = [(await table.snapshot())!, (await open(store).snapshot())!]
  const [ourFiles, readFiles] = [await ours.files(), await read.files()]
  expect([...readFiles.keys()].sort()).toEqual([...ourFiles.keys()].sort())
  expect(readFiles.size).toBe(6000) // two are gone, two came
  expect(read.txns.get('app')?.version).toBe(7n)
  const all = await rows(await store.localFile(checkpointKey('t', 4n)))
  expect(all).toHaveLength(6000 + 2 + 1 + 2) // protocol and metadata, a transaction, tombstones
  const removed = all.flatMap((row) => (row.remove === null ? [] : [(row.remove as { path: string }).path]))
  expect(removed.sort()).toEqual(['f2', 'late'])
})

test('checkpoints of versions that touched no file, and after entries were cleaned up, hold the same', async () => {
  const store = memoryStore({ localDir: dir })
  const table = open(store, { checkpointInterval: 2 })
  const many = Array.from({ length: 6000 }, (_, i) => addAction(`f${i}`)) // else nothing is taken over
  await commit(table, [...creation(), addAction('a'), addAction('b'), ...many])
  for (const n of [1n, 2n, 3n, 4n]) {
    await commit(table, [txnAction('app', n)])
    await table.settled()
  }
  await commit(table, [removeAction('a')])
  const snapshot = await table.snapshot()
  await store.delete(entryKey('t', 5n))
  await table.commit(transaction(snapshot, [addAction('c')])) // 6: what 5 touched cannot be asked any more
  await table.settled()
  for (const version of [0n, 1n, 2n, 3n]) await store.delete(entryKey('t', version))
  expect(await checkpoints(store)).toEqual(['2', '4', '6'])
  const files = [...(await liveFiles(open(store))).keys()]
  expect(files).toHaveLength(6002)
  expect(files.filter((path) => !path.startsWith('f')).sort()).toEqual(['b', 'c'])
})

test('the table says how often, and how long tombstones are kept', async () => {
  const store = memoryStore({ localDir: dir })
  const table = open(store)
  const [protocol, metaData] = creation()
  if (!protocol || !metaData || !('metaData' in metaData)) throw new Error('expected metaData')
  const configuration = { 'delta.checkpointInterval': '2', 'delta.deletedFileRetentionDuration': 'interval 2 hours' }
  await commit(table, [protocol, { metaData: { ...metaData.metaData, configuration } }, addAction('a'), addAction('b')])
  const removeAgo = (path: string, hours: number): Action => ({
    remove: { path, dataChange: true, deletionTimestamp: 1_700_000_000_000n - BigInt(hours) * 3_600_000n },
  })
  await commit(table, [removeAgo('a', 1), removeAgo('b', 3)])
  await commit(table, [addAction('c')])
  const found = await rows(await store.localFile(checkpointKey('t', 2n)))
  expect(found.filter((row) => row.remove !== null)).toMatchObject([{ remove: { path: 'a' } }])
})

test('a staging folder that is gone is a reason to skip the checkpoint only', async () => {
  const failures: unknown[] = []
  const gone = join(dir, 'gone')
  writeFileSync(join(dir, 'marker'), '')
  expect(existsSync(gone)).toBe(false)
  await build(
    open(memoryStore({ localDir: dir }), { stagingDir: gone, onCheckpointFailed: (e) => failures.push(e) }),
    6,
  )
  expect(failures).toHaveLength(1)
})

test('statistics are left as the table asks for them, and read again from either', async () => {
  const root = join(dir, 'statistics')
  const store = localStore(root)
  const table = open(store, { checkpointInterval: 2 })
  const columns: Column[] = [
    { name: 'id', type: 'long' },
    { name: 'at', type: 'timestamp' },
    { name: 's', type: { kind: 'struct', fields: [{ name: 'x', type: 'double' }] } },
    { name: 'b', type: 'binary' },
    { name: 'day', type: 'date' },
  ]
  const configuration = { 'delta.checkpoint.writeStatsAsStruct': 'true', 'delta.checkpoint.writeStatsAsJson': 'false' }
  const made = createActions({ columns, changeFeed: false, id: 'test', nowMs: 0, partitionBy: ['day'], configuration })
  const stats = (id: number) =>
    JSON.stringify({
      numRecords: 3,
      minValues: { id, at: '2024-05-05T10:00:00.123Z', s: { x: 0.5 } },
      maxValues: { id: id + 2, at: '2024-05-05T10:00:09.000Z', s: { x: 1.5 } },
      nullCount: { id: 0, at: 0, s: { x: 1 }, b: 2 },
    })
  const day = (value: string | null) => ({ partitionValues: { day: value } })
  await commit(table, [...made, addAction('a', { stats: stats(1), ...day('1899-12-31') })])
  await commit(table, [addAction('b', { stats: stats(10), ...day(null) })])
  await commit(table, [txnAction('app', 1n)])
  const found = await rows(join(root, checkpointKey('t', 2n)))
  const adds = found.flatMap(({ add }) => (add === null ? [] : [add as Record<string, Row>]))
  expect(adds.map(({ path, stats: text }) => [path, text])).toEqual([
    ['a', null],
    ['b', null],
  ])
  expect(adds[0]!.stats_parsed).toMatchObject({
    numRecords: 3n,
    minValues: { id: 1n, s: { x: 0.5 } },
    maxValues: { id: 3n },
    nullCount: { id: 0n, s: { x: 1n }, b: 2n },
  })
  expect(adds.map(({ partitionValues_parsed }) => JSON.stringify(partitionValues_parsed))).toEqual([
    expect.stringContaining('1899-12-31'),
    '{"day":null}',
  ])
  for (const version of [0n, 1n, 2n]) await store.delete(entryKey('t', version))
  const files = await liveFiles(open(store))
  const matches = (id: bigint) =>
    [...files.values()]
      .filter((add) => mayMatchRange(add, { path: ['id'], type: 'long', min: id, max: id }))
      .map(({ path }) => path)
  expect([matches(2n), matches(11n), matches(5n)]).toEqual([['a'], ['b'], []])
  expect([...files.values()].map(rowsOf)).toEqual([3n, 3n])
  // the next one is made from this one
  await commit(table, [addAction('c', { stats: stats(20), ...day('2024-01-01') })])
  await commit(table, [txnAction('app', 2n)])
  const next = (await rows(join(root, checkpointKey('t', 4n)))).flatMap(({ add }) => (add === null ? [] : [add as Row]))
  expect(next.map(({ path }) => path).sort()).toEqual(['a', 'b', 'c'])
  for (const add of next) expect(add.stats_parsed).toMatchObject({ numRecords: 3n })
})
