/** Valid logs: of tables that our writers made, and of kinds of tables that they do not make. */
import type { ParquetFile } from '../../../engine/schema.ts'
import { openDeltaTable } from '../delta-table.ts'
import { printJson } from '../int64-json.ts'
import { batch, type TestLake } from '../lake.testing.ts'
import type { TableSinkOptions } from '../sink.ts'
import { tableOptions } from '../tables.testing.ts'
import { type RawLog, rawLog, readLog } from './raw-log.testing.ts'

const byVersion = { mode: 'merge', key: ['k'], newer: ['v'], deleteWhen: 'gone' } as const
const everywhere = { mostShare: 1, leastBytes: 0n }

/** Four rounds over a hundred rows: some change, some go, some come. */
const rounds = [
  `SELECT range AS k, 0 AS v, 'row ' || range AS text, false AS gone FROM range(100)`,
  ...[1, 2, 3].map(
    (round) =>
      `SELECT (range * 7 + ${round}) % 120 AS k, ${round} AS v, 'round' AS text, range % 5 = 0 AS gone FROM range(9)`,
  ),
]

/** Every valid log, by what it is of. */
export type Logs = Readonly<Record<keyof typeof makers | keyof typeof written, RawLog>>

type Write = {
  readonly queries: readonly string[]
  readonly options: Partial<TableSinkOptions>
  readonly interval: number
}

const written = {
  /** Versions 0 to 3; a column more in 2. */
  appended: {
    queries: [
      `SELECT 1::BIGINT AS id, 'one' AS name, TIMESTAMPTZ '2024-05-06 07:08:09+00' AS at`,
      `SELECT 2::BIGINT AS id, 'two' AS name, NULL::TIMESTAMPTZ AS at`,
      `SELECT 3::BIGINT AS id, 'three' AS name, NULL::TIMESTAMPTZ AS at, {'a': 1} AS more`,
      `SELECT 4::BIGINT AS id, 'four' AS name, NULL::TIMESTAMPTZ AS at`,
    ],
    options: {},
    interval: 100,
  },
  /** Versions 0 to 3, with change files from 1 on. */
  merged: { queries: rounds, options: { write: byVersion, changeFeed: true }, interval: 100 },
  /** The same with deletion vectors. */
  marked: {
    queries: rounds,
    options: { write: byVersion, changeFeed: true, deletionVectors: true, marking: everywhere },
    interval: 100,
  },
  /** The same, with a checkpoint of version 2 and its hint. */
  checkpointed: {
    queries: rounds,
    options: { write: byVersion, changeFeed: true, deletionVectors: true, marking: everywhere },
    interval: 2,
  },
} satisfies Readonly<Record<string, Write>>

const columns = (...fields: readonly object[]) => printJson({ type: 'struct', fields })
const field = (name: string, type: unknown, metadata: object = {}) => ({ name, type, nullable: true, metadata })

const makers = {
  /** Partitioned by four columns: version 1 adds a file. */
  partitioned: async () => {
    const names = [
      ['p', 'string'],
      ['day', 'date'],
      ['n', 'integer'],
      ['at', 'timestamp'],
    ] as const
    const schemaString = columns(field('id', 'long'), ...names.map(([name, type]) => field(name, type)))
    const partitionValues = { p: 'a b', day: '2024-05-06', n: '-7', at: '2024-05-06 07:08:09.123' }
    return [
      [
        { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
        metaData({ schemaString, partitionColumns: names.map(([name]) => name) }),
      ],
      [addOf('p=a%20b/f1', { partitionValues })],
    ]
  },
  /** With column mapping by name. */
  mapped: async () => {
    const named = (name: string, id: number) =>
      field(name, 'long', { 'delta.columnMapping.id': id, 'delta.columnMapping.physicalName': `col-${id}` })
    const configuration = { 'delta.columnMapping.mode': 'name', 'delta.columnMapping.maxColumnId': '2' }
    const table = metaData({ schemaString: columns(named('a b', 1), named('c', 2)), configuration })
    const stats = '{"numRecords":1,"minValues":{"col-1":1,"col-2":2},"maxValues":{"col-1":1,"col-2":2}}'
    return [
      [{ protocol: { minReaderVersion: 2, minWriterVersion: 5 } }, table],
      [addOf('f1', { stats })],
      [table, addOf('f2', { stats })],
    ]
  },
  /** With in-commit timestamps. */
  timed: async () => {
    const configuration = { 'delta.enableInCommitTimestamps': 'true' }
    const info = (inCommitTimestamp: number) => ({ commitInfo: { inCommitTimestamp, operation: 'WRITE' } })
    return [
      [info(1000), features('inCommitTimestamp'), metaData({ configuration })],
      [info(1001), addOf('f1')],
      [info(1002), addOf('f2')],
    ]
  },
  /** With row ids. */
  tracked: async () => {
    const configuration = { 'delta.enableRowTracking': 'true' }
    const mark = (rowIdHighWaterMark: number) => ({
      domainMetadata: { domain: 'delta.rowTracking', configuration: printJson({ rowIdHighWaterMark }), removed: false },
    })
    const stats = '{"numRecords":10}'
    return [
      [features('rowTracking', 'domainMetadata'), metaData({ configuration }), mark(-1)],
      [addOf('f1', { stats, baseRowId: 0, defaultRowCommitVersion: 1 }), mark(9)],
      [addOf('f2', { stats, baseRowId: 10, defaultRowCommitVersion: 2 }), mark(19)],
    ]
  },
  /** With transactions that expire, and rows that only come. */
  expiring: async () => {
    const configuration = { 'delta.setTransactionRetentionDuration': 'interval 30 days', 'delta.appendOnly': 'true' }
    return [
      [{ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, metaData({ configuration })],
      [addOf('f1'), { txn: { appId: 'app', version: 2n ** 60n, lastUpdated: 5 } }],
      [addOf('f2')],
    ]
  },
} satisfies Readonly<Record<string, () => Promise<object[][]>>>

function metaData(more: object = {}): object {
  const defaults = { schemaString: columns(field('id', 'long')), partitionColumns: [], configuration: {} }
  return { metaData: { id: 'an-id', format: { provider: 'parquet', options: {} }, ...defaults, ...more } }
}

function features(...writerFeatures: readonly string[]): object {
  return { protocol: { minReaderVersion: 1, minWriterVersion: 7, writerFeatures } }
}

function addOf(path: string, more: object = {}): object {
  return { add: { path, partitionValues: {}, size: 1, modificationTime: 0, dataChange: true, ...more } }
}

/** Makes all of them. */
export async function validLogs(lake: TestLake): Promise<Logs> {
  const logs: Record<string, RawLog> = {}
  for (const [name, write] of Object.entries<Write>(written)) {
    await writeTable(lake, name, write)
    logs[name] = await readLog(lake.store, name)
  }
  for (const [name, make] of Object.entries(makers)) {
    const log = rawLog(new Map())
    for (const [version, actions] of (await make()).entries()) log.setActions(version, actions as never)
    logs[name] = log
  }
  return logs as Logs
}

async function writeTable(lake: TestLake, name: string, { queries, options, interval }: Write): Promise<void> {
  const table = openDeltaTable({
    ...tableOptions(lake.store, { path: name, duckdb: async () => lake.duckdb, stagingDir: lake.dir }),
    clock: { nowMs: () => Date.now(), sleep: async () => {} },
    checkpointInterval: interval,
  })
  const sink = lake.sink(name, { table, ...options })
  for (const [i, query] of queries.entries()) {
    const files: readonly ParquetFile[] = await lake.stage(query)
    const outcome = await sink.commit(batch(BigInt(i), BigInt(i + 1), files))
    if (outcome.kind !== 'committed') throw new Error(`${name}: commit ${i} was ${outcome.kind}`)
  }
  await table.settled()
}
