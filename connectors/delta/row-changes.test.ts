import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import { localStore } from '../storage/local.ts'
import { changedFiles, versionSize } from './change-feed.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { type DeleteRowsOptions, deleteRows, updateRows } from './row-changes.ts'
import type { TableSinkOptions } from './sink.ts'
import type { DeltaTable, LogEntry } from './table.ts'
import { liveFiles, transaction } from './tables.testing.ts'

let lake: TestLake
let tables = 0
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

/** Makes a table of one file for each query. */
async function make(path: string, queries: readonly string[], options: Partial<TableSinkOptions> = {}): Promise<void> {
  const sink = lake.sink(path, options)
  for (const [i, query] of queries.entries())
    await sink.commit(batch(BigInt(i), BigInt(i) + 1n, await lake.stage(query)))
}

function options(path: string, where: string, more: Partial<DeleteRowsOptions> = {}, table?: DeltaTable) {
  const target = { table: table ?? lake.table(path), store: lake.store, clock: systemClock, ids: systemIds }
  const stagingDir = `${lake.dir}/staging`
  const signal = new AbortController().signal
  return { target, duckdb: async () => lake.duckdb, stagingDir, where, signal, ...more }
}

async function entryOf(path: string, version: bigint): Promise<LogEntry> {
  for await (const entry of lake.table(path).entries(version, version + 1n)) return entry
  throw new Error(`no version ${version}`)
}

const ids = async (path: string) => (await lake.rows(path, 'list(id ORDER BY id) AS ids'))[0]!.ids
const rows = (from: number, to: number, more = '') =>
  `SELECT range AS id, 'n' || range AS name${more} FROM range(${from}, ${to})`
const everywhere = { mostShare: 1, leastBytes: 0n }

/** Rows of the change feed of the newest version. */
async function feed(path: string, select: string) {
  const { version } = (await lake.table(path).snapshot())!
  const source = lake.source(path, { changeFeed: true })
  const [[sourcePartition] = ['']] = await source.latest()
  const input = await source.files({ sourcePartition, start: version, end: version + 1n }, lake.dir)
  return (await lake.inputRows(input, `${select} AS row`)).map(({ row }) => row).sort()
}

test('rows go by a condition, of which null is not true; files without such rows stay', async () => {
  await make('delete', [rows(0, 10), rows(10, 20), 'SELECT NULL::BIGINT AS id, NULL::VARCHAR AS name'])
  const before = await liveFiles(lake.table('delete'))
  const result = await deleteRows(options('delete', `id = 3 OR name IN ('n5')`))
  expect(result).toEqual({ version: 3n, rows: 2n, filesRemoved: 0, filesRewritten: 1, filesMarked: 0 })
  const after = await liveFiles(lake.table('delete'))
  expect([...before.keys()].filter((path) => !after.has(path))).toHaveLength(1)
  expect(await lake.rows('delete', 'count(*) AS n, count(id) AS ids')).toEqual([{ n: 19n, ids: 18n }])
  const { commitInfo, txns } = (await lake.table('delete').snapshot())!
  expect(commitInfo).toMatchObject({
    operation: 'DELETE',
    operationParameters: { predicate: `["id = 3 OR name IN ('n5')"]` },
    operationMetrics: { numDeletedRows: '2', numRemovedFiles: '1', numAddedFiles: '1', numCopiedRows: '8' },
  })
  expect(txns.get('p/s/0')?.version).toBe(3n)
  expect(await lake.rows('delete', 'count(*) AS n', 2n)).toEqual([{ n: 21n }])
})

test('nothing is committed where no row is found, nor when it was only asked what would change', async () => {
  await make('dry', [rows(0, 10), rows(10, 20)])
  expect(await deleteRows(options('dry', 'id > 100'))).toMatchObject({ version: 1n, rows: 0n })
  expect(await deleteRows(options('dry', 'id >= 9', { dryRun: true }))).toEqual({
    ...{ version: 1n, rows: 11n, filesRemoved: 1, filesRewritten: 1, filesMarked: 0 },
  })
  expect((await lake.table('dry').snapshot())!.version).toBe(1n)
})

test('files of which partition or statistics say that all rows go, or none, are not opened', async () => {
  await make(
    'whole',
    [rows(0, 20, `, CASE WHEN range < 10 THEN 'a' ELSE 'b' END AS part`), rows(20, 30, `, 'a' AS part`)],
    {
      partitionBy: ['part'],
      changeFeed: true,
    },
  )
  for (const path of (await liveFiles(lake.table('whole'))).keys()) await lake.store.delete(`whole/${path}`)
  expect(await deleteRows(options('whole', `part = 'b'`))).toMatchObject({ rows: 10n, filesRemoved: 1 })
  expect(await deleteRows(options('whole', `part = 'a' AND id >= 20`))).toMatchObject({ rows: 10n, filesRemoved: 1 })
  const entry = await entryOf('whole', 3n)
  expect(entry.actions.filter((action) => 'cdc' in action)).toEqual([]) // the removal tells it all
  expect(changedFiles(entry)).toMatchObject([{ constants: { _change_type: 'delete' } }])
  await expect(deleteRows(options('whole', 'id = 5'))).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
})

test('where whole files go beside rows of others, the change feed tells of all of them', async () => {
  await make('feed', [rows(0, 3), rows(3, 6)], { changeFeed: true })
  expect(await deleteRows(options('feed', 'id >= 2'))).toMatchObject({ filesRemoved: 1, filesRewritten: 1 })
  expect(await feed('feed', `_change_type || ' ' || id`)).toEqual(['delete 2', 'delete 3', 'delete 4', 'delete 5'])
  const entry = await entryOf('feed', 2n)
  expect(versionSize(entry, true).records).toBe(4)
})

test('few rows of a file are marked where the table allows it, also those of a file that has marks', async () => {
  await make('marked', [rows(0, 100)], { deletionVectors: true })
  const marking = { mostShare: 0.2, leastBytes: 0n }
  for (const where of ['id < 5', 'id BETWEEN 10 AND 14'])
    expect(await deleteRows(options('marked', where, { marking }))).toMatchObject({
      rows: 5n,
      filesMarked: 1,
      filesRewritten: 0,
    })
  const [file] = (await liveFiles(lake.table('marked'))).values()
  expect(file!.deletionVector).toMatchObject({ cardinality: 10n })
  expect(await updateRows({ ...options('marked', 'id = 20', { marking }), set: { name: `'x'` } })).toMatchObject({
    filesMarked: 1,
  })
  expect(await deleteRows(options('marked', 'id < 80', { marking }))).toMatchObject({ rows: 70n, filesRewritten: 1 })
  expect(await lake.rows('marked', 'count(*) AS n, min(id) AS least')).toEqual([{ n: 20n, least: 80n }])
})

test('values are told from the row as it was, and rows whose partition changes move', async () => {
  await make('update', [rows(0, 4, `, range % 2 AS a, range AS b, 'x' AS part`)], {
    partitionBy: ['part'],
    changeFeed: true,
  })
  const set = { a: 'b', B: 'a + 10', part: `''`, name: 'NULL' }
  expect(await updateRows({ ...options('update', 'id = 3'), set })).toMatchObject({ rows: 1n, filesRewritten: 1 })
  const text = `concat_ws(' ', id, coalesce(name, '-'), a, b, coalesce(part, '-'))`
  expect((await lake.rows('update', `${text} AS row`)).map(({ row }) => row).sort()).toEqual([
    ...['0 n0 0 0 x', '1 n1 1 1 x', '2 n2 0 2 x'],
    '3 - 3 11 -',
  ])
  expect(await feed('update', `_change_type || ' ' || ${text}`)).toEqual([
    'update_postimage 3 - 3 11 -',
    'update_preimage 3 n3 1 3 x',
  ])
  const { commitInfo } = (await lake.table('update').snapshot())!
  expect(commitInfo).toMatchObject({
    operation: 'UPDATE',
    operationParameters: { predicate: 'id = 3' },
    operationMetrics: { numUpdatedRows: '1', numCopiedRows: '3', numAddedChangeFiles: '2' },
  })
})

test('rules of the table are kept by rows that are updated, and no row goes from one that is append-only', async () => {
  await make('ruled', [rows(0, 4)], { rules: { check: { small: 'id < 10' } } })
  const update = (dryRun: boolean) => updateRows({ ...options('ruled', 'id > 2', { dryRun }), set: { id: 'id * 10' } })
  for (const dryRun of [true, false])
    await expect(update(dryRun)).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED' })
  await make('only', [rows(0, 4)])
  const snapshot = (await lake.table('only').snapshot())!
  const configuration = { 'delta.appendOnly': 'true' }
  await lake.table('only').commit(transaction(snapshot, [{ metaData: { ...snapshot.metaData, configuration } }]))
  await expect(deleteRows(options('only', 'id = 1'))).rejects.toMatchObject({ code: 'TABLE_UNSUPPORTED' })
  const keys: string[] = []
  for (const path of ['ruled', 'only'])
    for await (const { key } of lake.store.list(`${path}/`)) if (!key.includes('_delta_log')) keys.push(key)
  expect(keys).toHaveLength(2)
})

test('a writer that comes in between is no loss: its rows are looked at as well', async () => {
  await make('between', [rows(0, 10)])
  const table = lake.table('between')
  const stale = (await table.snapshot())!
  await lake.sink('between').commit(batch(1n, 2n, await lake.stage(rows(5, 15))))
  let asked = 0
  const late: DeltaTable = {
    ...table,
    path: table.path,
    snapshot: async () => (asked++ === 0 ? stale : table.snapshot()),
  }
  expect(await deleteRows(options('between', 'id = 7', {}, late))).toMatchObject({ version: 2n, rows: 2n })
  expect(asked).toBe(2)
  // rows that the condition does not mean are in nobody's way
  const before = (await table.snapshot())!
  await lake.sink('between').commit(batch(2n, 3n, await lake.stage(rows(50, 60))))
  asked = 0
  const other: DeltaTable = { ...late, snapshot: async () => (asked++ === 0 ? before : table.snapshot()) }
  expect(await deleteRows(options('between', 'id = 8', {}, other))).toMatchObject({ version: 4n, rows: 2n })
  expect(asked).toBe(1)
})

test('what cannot be judged is told all at once', async () => {
  await make('wrong', [rows(0, 1)])
  const set = { nam: `'x'`, id: 'name', name: `upper('x')`, NAME: 'NULL' }
  await expect(updateRows({ ...options('wrong', 'id > '), set })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: [
      'where: id > : "the end" is not supported (write it in other words)',
      'set nam: there is no such column (the columns are name, id)',
      'set id: name: string as long is not supported (write it in other words)',
      "set name: upper('x'): the function upper of string is not supported (write it in other words)",
      'set NAME: is named twice (name it once)',
    ].map((problem) => `table wrong: ${problem}`),
  })
  await expect(deleteRows(options('nowhere', 'true'))).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
})

// ---------------------------------------------------------------------------------------------- law

const value = fc.constantFrom('0', '1', '2', 'NULL')
const condition = fc.oneof(
  fc
    .tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('=', '<', '>=', '<>', '<=>'), value)
    .map((words) => words.join(' ')),
  fc
    .tuple(fc.constantFrom('a', 'b'), value, fc.constantFrom('AND', 'OR'), value)
    .map(([name, x, op, y]) => `${name} > ${x} ${op} c = ${y}`),
  fc.constantFrom('true', 'a + b > c', 'b IS NULL', 'NOT (a = 1 OR b = 1)'),
)
const change = fc.record({
  where: condition,
  set: fc.option(fc.constantFrom('b', 'c').map((name) => ({ [name]: 'a + 1' }))),
})
const ways: readonly (readonly [string, Partial<TableSinkOptions>])[] = [
  ['writing files anew', { changeFeed: true }],
  ['marking rows', { changeFeed: true, deletionVectors: true }],
  ['in partitions', { changeFeed: true, partitionBy: ['b'] }],
]

test.each(ways)(
  'rows change as they do in a database, and the change feed tells it: %s',
  { timeout: 60_000 },
  async (_, way) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 5 }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        async (files, changes) => {
          const path = `law${tables++}`
          const queries = files.map((each, f) => {
            const values = each.map(
              ([a, b, c], i) => `(${f * 10 + i}::BIGINT, ${a}::INTEGER, ${b}::INTEGER, ${c}::INTEGER)`,
            )
            return `SELECT * FROM (VALUES ${values.join(', ')}) t(id, a, b, c)`
          })
          await make(path, queries, way)
          const all = queries.join(' UNION ALL ')
          const text = `concat_ws(' ', id, coalesce(a::VARCHAR, '-'), coalesce(b::VARCHAR, '-'), coalesce(c::VARCHAR, '-'))`
          await lake.duckdb.withConnection(async (connection) => {
            await connection.run(`CREATE TEMP TABLE model AS ${all}`)
            const model = async (select: string) =>
              (await connection.rows(`SELECT ${select} AS row FROM model`)).map(({ row }) => row).sort()
            for (const { where, set } of changes) {
              const before = new Map((await lake.rows(path, `id, ${text} AS row`)).map(({ id, row }) => [id, row]))
              const { version } = (await lake.table(path).snapshot())!
              const asked = options(path, where, { marking: everywhere })
              const result = set === null ? await deleteRows(asked) : await updateRows({ ...asked, set })
              const sql = where.replaceAll('<=>', 'IS NOT DISTINCT FROM')
              const hit = (await connection.rows(`SELECT id FROM model WHERE ${sql}`)).map(({ id }) => id)
              const [name] = Object.keys(set ?? {})
              await connection.run(
                set === null ? `DELETE FROM model WHERE ${sql}` : `UPDATE model SET ${name} = a + 1 WHERE ${sql}`,
              )
              expect(result).toMatchObject({ rows: BigInt(hit.length), version: version + (hit.length > 0 ? 1n : 0n) })
              const after = new Map((await lake.rows(path, `id, ${text} AS row`)).map(({ id, row }) => [id, row]))
              expect([...after.values()].sort()).toEqual(await model(text))
              if (hit.length === 0) continue
              const told = hit.flatMap((id) =>
                set === null
                  ? [`delete ${before.get(id)}`]
                  : [`update_preimage ${before.get(id)}`, `update_postimage ${after.get(id)}`],
              )
              expect(await feed(path, `_change_type || ' ' || ${text}`)).toEqual(told.sort())
            }
          })
        },
      ),
      { numRuns: 14 },
    )
  },
)

test('ids of rows that stay are what they were', async () => {
  await make('stay', [rows(0, 5)])
  await deleteRows(options('stay', 'id % 2 = 0'))
  expect(await ids('stay')).toEqual([1n, 3n])
})
