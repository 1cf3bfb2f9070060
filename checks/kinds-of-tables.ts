/**
 * Fills a lake with a table of every kind that we write, for other engines to read: all types, schemas that grew, rows that were
 * merged and deleted by writing files anew and by deletion vectors, with a change feed and without, partitioned by columns of
 * every type, with constraints, overwritten whole and in part, merged by clauses, with rows deleted and updated by a condition, and
 * log checkpoints. Fails if a log breaks a rule of the protocol.
 *
 *   node checks/kinds-of-tables.ts DATA_DIR
 */
import { join } from 'node:path'
import { openWorkspace } from '../cli/workspace.ts'
import { assertLakeKeepsRules } from '../connectors/delta/lint/lint-lake.ts'
import { deleteRows, updateRows } from '../connectors/delta/row-changes.ts'
import { deltaSink, type MergeMode, type TableSinkOptions } from '../connectors/delta/sink.ts'
import { copyToParquet } from '../engine/batch/duckdb-parquet.ts'
import { systemIds } from '../engine/clock.ts'
import { defaultMemoryLimitBytes } from '../engine/memory.ts'

const [dataDir] = process.argv.slice(2)
if (dataDir === undefined) throw new Error('name the data directory to make')
const workspace = await openWorkspace({ dataDir, workers: 0, memoryLimitBytes: defaultMemoryLimitBytes })
const duckdb = await workspace.duckdb()

/** Makes a table out of queries, one commit each. */
async function make(name: string, queries: readonly string[], options: Partial<TableSinkOptions> = {}): Promise<void> {
  const { lake, clock, ids, scratchDir } = workspace
  const path = `kinds/${name}`
  const sink = deltaSink({
    table: workspace.table(path),
    store: lake,
    write: { mode: 'append' },
    changeFeed: false,
    duckdb: workspace.duckdb,
    clock,
    ids,
    stagingDir: scratchDir,
    ...options,
  })
  for (const [i, query] of queries.entries()) {
    const staged = join(scratchDir, `${systemIds.uuid()}.parquet`)
    const file = await duckdb.withConnection((connection) => copyToParquet(connection, query, staged))
    const outcome = await sink.commit({
      pipeline: name,
      txnId: ids.uuid(),
      fingerprint: 'kinds',
      ranges: [{ sourcePartition: 's/0', start: BigInt(i), end: BigInt(i + 1) }],
      initial: new Map([['s/0', 0n]]),
      outputs: new Map([['rows', [file]]]),
      columns: new Map(),
      signal: new AbortController().signal,
    })
    if (outcome.kind !== 'committed') throw new Error(`${path}: commit ${i} was ${outcome.kind}`)
  }
  await sink.close()
}

/** Deletes rows of a table and updates others, a version for each condition. */
async function change(
  name: string,
  deleted: readonly string[],
  updated: Readonly<Record<string, object>>,
): Promise<void> {
  const { lake: store, clock, ids, scratchDir: stagingDir } = workspace
  const table = workspace.table(`kinds/${name}`)
  const { signal } = new AbortController()
  const target = { table, store, clock, ids }
  const common = { target, duckdb: workspace.duckdb, stagingDir, marking: everywhere, signal }
  const changes = [
    ...deleted.map((where) => () => deleteRows({ ...common, where })),
    ...Object.entries(updated).map(
      ([where, set]) =>
        () =>
          updateRows({ ...common, where, set: { ...set } }),
    ),
  ]
  for (const [i, each] of changes.entries())
    if ((await each()).rows === 0n) throw new Error(`kinds/${name}: condition ${i} was true of no row`)
  await table.settled()
}

const everyType = `SELECT
  i AS id,
  CAST(i * 9007199254740993 AS BIGINT) AS a_long, CAST(-i AS INTEGER) AS an_integer, CAST(i % 30000 AS SMALLINT) AS a_short, CAST(i % 100 AS TINYINT) AS a_byte,
  CASE i % 5 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN 'Infinity'::DOUBLE WHEN 2 THEN '-Infinity'::DOUBLE WHEN 3 THEN -0.0::DOUBLE ELSE i / 7.0 END AS a_double,
  CASE i % 3 WHEN 0 THEN 'NaN'::FLOAT ELSE CAST(i / 3.0 AS FLOAT) END AS a_float,
  i % 2 = 0 AS a_boolean, encode('bytes ' || i || chr(0)) AS a_binary,
  DATE '1582-10-15' + CAST(i * 1000 AS INTEGER) AS a_date,
  TIMESTAMPTZ '1899-12-31 23:59:59.999999+00' + to_microseconds(i * 86400000001) AS a_timestamp,
  CAST(i * 1234567.891 AS DECIMAL(38, 10)) AS a_decimal, CAST(i % 900 AS DECIMAL(5, 2)) AS a_small_decimal,
  CASE WHEN i % 4 = 0 THEN NULL ELSE repeat('ж🎬', CAST(i % 40 AS INTEGER)) END AS a_string,
  CASE WHEN i % 3 = 0 THEN NULL ELSE [i, NULL, -i] END AS a_list,
  CASE WHEN i % 3 = 1 THEN NULL ELSE {'name': 'n' || i, 'inner': {'at': DATE '2026-01-01' + CAST(i AS INTEGER), 'list': [{'x': i}]}} END AS a_struct,
  CASE WHEN i % 3 = 2 THEN NULL ELSE MAP {'k' || i: {'v': i}, 'none': NULL} END AS a_map
  FROM range(FROM_ID, TO_ID) t(i)`
const types = (from: number, to: number) => everyType.replace('FROM_ID', String(from)).replace('TO_ID', String(to))

const byVersion: MergeMode = { mode: 'merge', key: ['k'], newer: ['v'], deleteWhen: 'gone' }
/** Twelve rounds over a thousand rows: some change, some go, some come. */
const rounds = Array.from({ length: 12 }, (_, round) =>
  round === 0
    ? `SELECT range AS k, 0 AS v, 'row ' || range AS text, false AS gone FROM range(1000)`
    : `SELECT (range * 37 + ${round * 11}) % 1200 AS k, ${round} AS v, 'round ${round}' AS text, range % 5 = 0 AS gone FROM range(40)`,
)
/** The same with rows that move between partitions, as they change. */
const moving = rounds.map(
  (query) => `SELECT *, nullif((k + v) % 4, 3) AS bucket, text LIKE '%1%' AS one FROM (${query})`,
)
const names = [
  'a/b',
  '/%20%f',
  "it''s",
  'ж🎬 日本',
  'x=y&z#?',
  ' ',
  '.',
  'C:\\{[^]}',
  '__HIVE_DEFAULT_PARTITION__x',
  '',
]
const parted = `SELECT i AS id, 'row ' || i AS text,
  [${names.map((name) => `'${name}'`).join(', ')}, NULL][1 + i % ${names.length + 1}] AS name,
  TIMESTAMPTZ '1969-12-31 23:59:59.999999+00' + to_hours(i % 3 * 1000) AS a_timestamp, i % 2 = 0 AS a_boolean
  FROM range(FROM_ID, TO_ID) t(i)`
const partedRows = (from: number, to: number) => parted.replace('FROM_ID', String(from)).replace('TO_ID', String(to))
const partedTypes = `SELECT i AS id, CAST((i % 3 - 1) * 9007199254740993 AS BIGINT) AS a_long, CAST(i % 2 AS TINYINT) AS a_byte,
  CASE i % 3 WHEN 0 THEN 1e16::DOUBLE WHEN 1 THEN -0.1 ELSE NULL END AS a_double, CAST(i % 2 / 3.0 AS FLOAT) AS a_float,
  CAST(i % 3 * 1234567.891 AS DECIMAL(18, 4)) AS a_decimal
  FROM range(60) t(i)`
/** Values that not every engine has, or can have here. */
const partedFar = `SELECT i AS id, CAST(i % 3 * 1234567.891 AS DECIMAL(38, 10)) AS a_wide_decimal, DATE '1899-12-30' + CAST(i % 4 AS INTEGER) AS a_date,
  TIMESTAMP '1582-10-15 12:00:00.000001' + to_days(CAST(i % 2 * 200000 AS INTEGER)) AS a_time FROM range(40) t(i)`
const everywhere = { mostShare: 0.5, leastBytes: 0n }

await make('types', [types(0, 200), types(200, 300)])
await make('without_zone', [
  "SELECT range AS id, TIMESTAMP '1969-12-31 23:59:59.999999' + to_hours(range) AS at FROM range(50)",
])
await make('grown', [
  `SELECT range AS id, {'a': range} AS s, [{'x': 1}] AS l FROM range(10)`,
  `SELECT range + 10 AS id, {'a': range, 'b': 'new'} AS s, [{'x': 2, 'y': 'new'}] AS l, 'more' AS more FROM range(10)`,
  'SELECT range + 20 AS id FROM range(10)',
])
await make(
  'many',
  Array.from({ length: 25 }, (_, i) => `SELECT ${i} * 10 + range AS id, 'commit ${i}' AS text FROM range(10)`),
)
await make('merged', rounds, { write: byVersion, changeFeed: true })
await make('marked', rounds, { write: byVersion, deletionVectors: true, marking: everywhere })
await make('marked_feed', rounds, { write: byVersion, deletionVectors: true, marking: everywhere, changeFeed: true })
await make('emptied', [rounds[0]!, 'SELECT range AS k, 9 AS v, NULL::VARCHAR AS text, true AS gone FROM range(1000)'], {
  write: byVersion,
})
await make('parted', [partedRows(0, 60), partedRows(60, 120)], {
  partitionBy: ['name', 'a_timestamp', 'a_boolean'],
  changeFeed: true,
})
await make('parted_types', [partedTypes], { partitionBy: ['a_long', 'a_byte', 'a_double', 'a_float', 'a_decimal'] })
await make('parted_far', [partedFar], { partitionBy: ['a_date', 'a_time', 'a_wide_decimal'] })
const parts = { write: byVersion, changeFeed: true, partitionBy: ['bucket', 'one'] }
await make('parted_merged', moving, parts)
await make('parted_marked', moving, { ...parts, deletionVectors: true, marking: everywhere })
const rules = { notNull: ['k'], check: { early: "v < 100 AND text <> ''" } }
await make('ruled', rounds, { write: byVersion, changeFeed: true, rules })
const whole = { write: { mode: 'overwrite' as const }, changeFeed: true }
await make('overwritten', [partedRows(0, 60), partedRows(30, 80)], whole)
const replaceWhere = { a_boolean: true }
const some = { write: { mode: 'overwrite' as const, replaceWhere }, partitionBy: ['a_boolean'], changeFeed: true }
await make(
  'overwritten_part',
  [0, 30].map((from) => `SELECT * FROM (${partedRows(from, from + 60)}) WHERE a_boolean`),
  some,
)
const clauses: MergeMode = {
  ...byVersion,
  whenMatched: [
    { if: "source.text = 'round 5'", then: 'delete' },
    { if: 'source.v % 2 = 0', then: 'update', set: { v: 'source.v', text: 'coalesce(source.text, target.text)' } },
    { if: 'source.v > 3', then: 'update' },
  ],
  whenNotMatched: [{ if: 'source.k >= 1100', then: 'keep' }, { then: 'insert' }],
  whenNotMatchedBySource: [
    { if: 'target.k % 97 = target.v', then: 'delete' },
    { if: 'target.k % 89 = 0', then: 'update', set: { v: 'target.v + 1' } },
  ],
}
const marks = { deletionVectors: true, marking: everywhere }
await make('clauses', rounds, { write: clauses, changeFeed: true })
await make('clauses_marked', rounds, { write: clauses, ...marks })
await make('clauses_marked_feed', rounds, { write: clauses, changeFeed: true, ...marks })
await make('clauses_parted', moving, { write: clauses, changeFeed: true, partitionBy: ['bucket', 'one'] })
const kinds: Readonly<Record<string, Partial<TableSinkOptions>>> = {
  rewritten: {},
  rewritten_feed: { changeFeed: true },
  marked: marks,
  marked_feed: { ...marks, changeFeed: true },
}
for (const [kind, options] of Object.entries(kinds)) {
  await make(`changed_${kind}`, [types(0, 100), types(100, 200), types(200, 260)], options)
  const name = `changed_${kind}`
  await change(name, ['id >= 200', 'a_byte BETWEEN 10 AND 14', "a_date < '1600-01-01' OR a_string LIKE 'ж🎬_'"], {
    'id % 10 = 3': {
      a_long: 'an_integer - 1',
      a_decimal: 'NULL',
      a_struct: 'NULL',
      a_list: 'NULL',
      a_string: "'[erased]'",
    },
  })
  await make(`moved_${kind}`, [partedRows(0, 60), partedRows(60, 120)], {
    ...options,
    partitionBy: kind.endsWith('feed') ? ['a_boolean'] : ['name', 'a_boolean'],
  })
  await change(`moved_${kind}`, ["name = 'a/b'", 'name IS NULL AND NOT a_boolean AND id < 60'], {
    "name = ' ' OR id % 7 = 0": { name: "'x=y&z#?'", text: "'moved'", a_boolean: 'NOT a_boolean' },
  })
}
await assertLakeKeepsRules({ store: workspace.lake, duckdb: workspace.duckdb })
await workspace.close()
