import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../engine/clock.ts'
import type { ObjectStore, Range, SinkCommit } from '../../engine/contracts.ts'
import { armFault } from '../../engine/fault-points.ts'
import { localStore } from '../storage/local.ts'
import { openAudit } from './audit.ts'
import { readEntries, tableHistory } from './history.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { transaction } from './tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())
afterEach(() => armFault(null))

async function dataFiles(store: ObjectStore, path: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(`${path}/`)) if (!key.includes('_delta_log/')) keys.push(key)
  return keys
}

/** Sets properties of a table, as another engine would. */
async function configure(path: string, configuration: Readonly<Record<string, string>>): Promise<void> {
  const table = lake.table(path)
  const snapshot = (await table.snapshot())!
  const metaData = { ...snapshot.metaData, configuration: { ...snapshot.metaData.configuration, ...configuration } }
  const result = await table.commit(transaction(snapshot, [{ metaData }]))
  expect(result.kind).toBe('committed')
}

test('rows and position arrive together, and both are there for a process that opens the table anew', async () => {
  const sink = lake.sink('a')
  expect(sink.name).toBe('table a')
  expect(await sink.position('p')).toEqual({ position: new Map(), fingerprint: null })
  const files = await lake.stage('SELECT 9007199254740993 AS id, $$x$$ AS t')
  const outcome = await sink.commit(batch(0n, 2n ** 53n + 1n, files))
  expect(outcome).toEqual({ kind: 'committed', version: 0n, written: { rows: 1 } })
  expect(await lake.sink('a').position('p')).toEqual({
    position: new Map([['s/0', 2n ** 53n + 1n]]),
    fingerprint: 'f1',
  })
  expect(await lake.rows('a', '*')).toEqual([{ id: 2n ** 53n + 1n, t: 'x' }])
})

test('a replayed batch is fenced, tells where the sink is, and leaves no file', async () => {
  const sink = lake.sink('replay')
  await sink.commit(batch(0n, 5n, await lake.stage('SELECT 1 AS id')))
  const before = await dataFiles(lake.store, 'replay')
  const outcome = await sink.commit(batch(0n, 5n, await lake.stage('SELECT 1 AS id')))
  expect(outcome).toEqual({ kind: 'fenced', position: new Map([['s/0', 5n]]) })
  expect(await dataFiles(lake.store, 'replay')).toEqual(before)
  expect(await lake.rows('replay', 'count(*) AS n')).toEqual([{ n: 1n }])
})

test('a first batch that does not begin at the beginning is fenced, and makes no table', async () => {
  const late = { ...batch(3n, 5n, await lake.stage('SELECT 1 AS id')), initial: new Map([['s/0', 2n]]) }
  expect(await lake.sink('late').commit(late)).toEqual({ kind: 'fenced', position: new Map() })
  expect(await lake.table('late').snapshot()).toBe(null)
  const right = { ...batch(2n, 5n, await lake.stage('SELECT 1 AS id')), initial: new Map([['s/0', 2n]]) }
  expect(await lake.sink('late').commit(right)).toMatchObject({ kind: 'committed', version: 0n })
})

test('of two copies of a pipeline one gets its batch in and the other is fenced', async () => {
  await lake.sink('race').commit(batch(0n, 1n, await lake.stage('SELECT 0 AS id')))
  for (let start = 1n; start < 6n; start += 1n) {
    const outcomes = await Promise.all(
      [lake.sink('race'), lake.sink('race')].map(async (sink) =>
        sink.commit(batch(start, start + 1n, await lake.stage(`SELECT ${start}::INTEGER AS id`))),
      ),
    )
    expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(['committed', 'fenced'])
  }
  expect(await lake.rows('race', 'list(id ORDER BY id) AS ids')).toEqual([{ ids: [0, 1, 2, 3, 4, 5] }])
  expect(await dataFiles(lake.store, 'race')).toHaveLength(6)
})

test('two copies that create the table at once: one does', async () => {
  const outcomes = await Promise.all(
    [1, 2, 3].map(async (id) => lake.sink('birth').commit(batch(0n, 1n, await lake.stage(`SELECT ${id} AS id`)))),
  )
  expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(['committed', 'fenced', 'fenced'])
  expect(await lake.rows('birth', 'count(*) AS n')).toEqual([{ n: 1n }])
})

test('a batch without rows moves the position, also before the table has its first row', async () => {
  const sink = lake.sink('empty', { columns: [{ name: 'id', type: 'long' }] })
  expect(await sink.commit(batch(0n, 7n, []))).toEqual({ kind: 'committed', version: 0n, written: { rows: 0 } })
  expect(await sink.commit(batch(7n, 9n, []))).toEqual({ kind: 'committed', version: 1n, written: { rows: 0 } })
  await sink.commit(batch(9n, 10n, await lake.stage('SELECT 4::BIGINT AS id')))
  expect((await sink.position('p')).position).toEqual(new Map([['s/0', 10n]]))
  expect(await lake.rows('empty', '*')).toEqual([{ id: 4n }])
})

test('a first batch without rows into a table of unknown columns is refused, not half recorded', async () => {
  await expect(lake.sink('unknown').commit(batch(0n, 7n, []))).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('name its columns in the sink'),
  })
  expect(await lake.table('unknown').snapshot()).toBe(null)
})

test('new columns, nested ones too, are added in the commit that brings them; another type is refused by name', async () => {
  const sink = lake.sink('grow')
  await sink.commit(batch(0n, 1n, await lake.stage(`SELECT 1 AS id, [{'name': 'a'}] AS people`)))
  const grown = await lake.stage(
    `SELECT 2 AS id, [{'name': 'b', 'job': {'title': 'Editor'}}] AS people, 'PG' AS rating`,
  )
  expect(await sink.commit(batch(1n, 2n, grown))).toMatchObject({ kind: 'committed', version: 1n })
  await sink.commit(batch(2n, 3n, await lake.stage('SELECT 3 AS id')))
  expect(await lake.rows('grow', 'id, people::JSON::VARCHAR AS people, rating')).toEqual(
    expect.arrayContaining([
      { id: 1, people: '[{"name":"a","job":null}]', rating: null },
      { id: 2, people: '[{"name":"b","job":{"title":"Editor"}}]', rating: 'PG' },
      { id: 3, people: null, rating: null },
    ]),
  )
  const before = await dataFiles(lake.store, 'grow')
  await expect(sink.commit(batch(3n, 4n, await lake.stage(`SELECT 'x' AS id`)))).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringMatching(/^table grow: column id is integer in the table and string/),
  })
  expect(await dataFiles(lake.store, 'grow')).toEqual(before)
})

test('two pipelines that add different columns at once both succeed, and the table has both columns', async () => {
  await lake.sink('both').commit(batch(0n, 1n, await lake.stage('SELECT 0 AS id')))
  const outcomes = await Promise.all(
    ['q', 'r'].map(async (pipeline) =>
      lake.sink('both').commit({ ...batch(0n, 1n, await lake.stage(`SELECT 1 AS id, 2 AS ${pipeline}`)), pipeline }),
    ),
  )
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['committed', 'committed'])
  const names = (await lake.table('both').snapshot())?.columns.map((column) => column.name)
  expect(names?.sort()).toEqual(['id', 'q', 'r'])
  expect(await lake.rows('both', 'count(q) AS q, count(r) AS r, count(*) AS n')).toEqual([{ q: 1n, r: 1n, n: 3n }])
})

test('the fingerprint of a pipeline survives log checkpoints and the commits of others', async () => {
  const quiet = lake.sink('prints')
  await quiet.commit(batch(0n, 1n, await lake.stage('SELECT 0 AS id')))
  for (let i = 0n; i < 23n; i += 1n)
    await lake.sink('prints').commit({ ...batch(i, i + 1n, []), pipeline: 'busy', fingerprint: `b${i}` })
  expect((await lake.sink('prints').position('p')).fingerprint).toBe('f1')
  expect((await lake.sink('prints').position('busy')).fingerprint).toBe('b22')
  expect((await lake.sink('prints').position('nobody')).fingerprint).toBe(null)
})

test('the history tells who read what, newest first', async () => {
  const sink = lake.sink('told')
  await sink.commit(batch(0n, 3n, await lake.stage('SELECT 1 AS id')))
  for (let i = 3n; i < 30n; i += 1n) await sink.commit(batch(i, i + 1n, []))
  const versions: unknown[] = []
  for await (const entry of tableHistory(lake.table('told'))) versions.push(entry.version)
  expect(versions).toEqual(Array.from({ length: 28 }, (_, i) => BigInt(27 - i)))
  for await (const entry of tableHistory(lake.table('told'), 1))
    expect(entry).toMatchObject({
      version: 27n,
      operation: 'WRITE',
      metrics: { numOutputRows: '0' },
      batch: { pipeline: 'p', fingerprint: 'f1', ranges: { 's/0': ['29', '30'] } },
    })
})

test('a failure before the commit removes the published files; one around it leaves them alone', async () => {
  const sink = lake.sink('faults')
  await sink.commit(batch(0n, 1n, await lake.stage('SELECT 0 AS id')))
  for (const [point, left] of [
    ['sink-begin', 1],
    ['data-file-published', 1],
    ['before-log-commit', 2],
  ] as const) {
    armFault({ point, passage: 1, action: 'throw' })
    const files = await lake.stage('SELECT 1 AS id')
    await expect(sink.commit(batch(1n, 2n, files))).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
    armFault(null)
    expect(await dataFiles(lake.store, 'faults')).toHaveLength(left)
  }
  armFault({ point: 'after-log-commit', passage: 1, action: 'throw' })
  const files = await lake.stage('SELECT 1 AS id')
  await expect(sink.commit(batch(1n, 2n, files))).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  armFault(null)
  expect((await lake.sink('faults').position('p')).position).toEqual(new Map([['s/0', 2n]]))
  expect(await lake.rows('faults', 'list(id ORDER BY id) AS ids')).toEqual([{ ids: [0, 1] }])
})

test('a batch that the table does not allow leaves no file', async () => {
  await lake.sink('fixed').commit(batch(0n, 1n, await lake.stage('SELECT 1 AS id, 1 AS v')))
  await configure('fixed', { 'delta.appendOnly': 'true' })
  const before = await dataFiles(lake.store, 'fixed')
  const sink = lake.sink('fixed', { write: { mode: 'merge', key: ['id'], newer: ['v'] } })
  const files = await lake.stage('SELECT unnest([1, 2]) AS id, 2 AS v')
  await expect(sink.commit(batch(1n, 2n, files))).rejects.toMatchObject({
    code: 'TABLE_UNSUPPORTED',
    message: expect.stringContaining('append-only'),
  })
  expect(await dataFiles(lake.store, 'fixed')).toEqual(before)
})

test('positions that do not move are written again in time, where other engines may drop old ones', async () => {
  const hour = 3_600_000
  let nowMs = 1_700_000_000_000
  const clock = { ...systemClock, nowMs: () => nowMs }
  const commit = async (at: bigint, ranges: readonly Range[], more: Partial<SinkCommit> = {}) => {
    const outcome = await lake.sink('ageing', { clock }).commit({ ...batch(at, at, []), ranges, ...more })
    expect(outcome.kind).toBe('committed')
    const table = lake.table('ageing')
    const { version } = (await table.snapshot())!
    const [entry] = await readEntries(table, version, version + 1n)
    return entry!.actions.flatMap((action) => ('txn' in action ? [action.txn.appId] : []))
  }
  const range = (sourcePartition: string, start: bigint, end: bigint) => ({ sourcePartition, start, end })
  const id = range('s/id', 7n, 7n)
  const columns = new Map([['rows', [{ name: 'id', type: 'integer' as const }]]])
  const initial = new Map([[id.sourcePartition, id.start]])
  await commit(0n, [range('s/0', 0n, 1n), range('s/1', 0n, 4n), id], { columns, initial })
  await commit(0n, [range('s/0', 0n, 1n)], { pipeline: 'q' })
  nowMs += 100 * hour
  expect(await commit(1n, [range('s/0', 1n, 2n), id])).toEqual(['p/s/0']) // the table does not ask for more
  await configure('ageing', { 'delta.setTransactionRetentionDuration': 'interval 10 hours' })
  expect(await commit(2n, [range('s/0', 2n, 3n), id])).toEqual(['p/s/0', 'p/s/1', 'p/s/id'])
  nowMs += 4 * hour
  expect(await commit(3n, [range('s/0', 3n, 4n), id])).toEqual(['p/s/0'])
  nowMs += 2 * hour
  expect(await commit(4n, [range('s/0', 4n, 5n), id])).toEqual(['p/s/0', 'p/s/1', 'p/s/id'])
  const position = new Map([['s/0', 5n], ['s/1', 4n], ['s/id', 7n]]) // biome-ignore format: pairs
  expect((await lake.sink('ageing').position('p')).position).toEqual(position)
  expect((await lake.sink('ageing').position('q')).position).toEqual(new Map([['s/0', 1n]])) // old, but there
  expect(await commit(1n, [range('s/0', 1n, 2n)], { pipeline: 'q' })).toEqual(['q/s/0'])

  const table = lake.table('ageing')
  const snapshot = (await table.snapshot())!
  const auditing = openAudit()
  for (const entry of await readEntries(table, 0n, snapshot.version + 1n)) auditing.add(entry)
  expect(auditing.finish(snapshot).findings).toEqual([])
})

test('a position that another process moves meanwhile is not set back by being written again', async () => {
  let nowMs = 1_700_000_000_000
  const clock = { ...systemClock, nowMs: () => nowMs }
  const both = [{ sourcePartition: 's/0', start: 0n, end: 1n }, { sourcePartition: 's/1', start: 0n, end: 1n }] // biome-ignore format: pairs
  await lake.sink('shared', { clock }).commit({ ...batch(0n, 1n, await lake.stage('SELECT 0 AS id')), ranges: both })
  await configure('shared', { 'delta.setTransactionRetentionDuration': 'interval 10 hours' })
  nowMs += 36_000_000
  const outcomes = await Promise.all(
    both.map(async ({ sourcePartition }) => {
      const ranges = [{ sourcePartition, start: 1n, end: 2n }]
      const files = await lake.stage('SELECT 1 AS id')
      return lake.sink('shared', { clock }).commit({ ...batch(1n, 2n, files), ranges })
    }),
  )
  expect(outcomes.map(({ kind }) => kind)).toEqual(['committed', 'committed'])
  const position = new Map(both.map(({ sourcePartition }) => [sourcePartition, 2n]))
  expect((await lake.sink('shared').position('p')).position).toEqual(position)
})

test('an abandoned batch writes nothing', async () => {
  const stop = new AbortController()
  stop.abort()
  const commit = { ...batch(0n, 1n, await lake.stage('SELECT 0 AS id')), signal: stop.signal }
  await expect(lake.sink('abandoned').commit(commit)).rejects.toMatchObject({ code: 'SINK_FAILED' })
  expect(await dataFiles(lake.store, 'abandoned')).toEqual([])
  expect(await lake.table('abandoned').snapshot()).toBe(null)
})
