import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SinkCommit } from '../../engine/contracts.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { localStore } from '../storage/local.ts'
import { type LogAudit, openAudit } from './audit.ts'
import { auditRows, whyNoRowAudit } from './audit-rows.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { selectTable } from './read.ts'
import { remainingEntries } from './remaining-entries.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

/** Rows as bronze has them, of the source partition `s/0`, at these offsets. */
function records(...offsets: readonly (bigint | number)[]): Promise<ParquetFile[]> {
  return lake.stage(
    `SELECT 's' AS topic, 0::INTEGER AS partition, unnest([${offsets.join(', ')}]::BIGINT[]) AS "offset"`,
  )
}

/** Dead letters of the source partition `s/0`: pipeline, step, offset. */
function letters(
  ...rows: readonly (readonly [pipeline: string, step: string, offset: number])[]
): Promise<ParquetFile[]> {
  const values = rows.map(
    ([pipeline, step, offset]) => `('${pipeline}', '${step}', 's', 0::INTEGER, ${offset}::BIGINT)`,
  )
  return lake.stage(`SELECT * FROM (VALUES ${values.join(', ')}) AS t (pipeline, step, topic, partition, "offset")`)
}

/** Commits ranges of `s/0`, or of another source partition, with files. */
async function commit(path: string, made: SinkCommit, more: Partial<SinkCommit> = {}): Promise<void> {
  const initial = new Map(made.ranges.map(({ sourcePartition, start }) => [sourcePartition, start]))
  expect(await lake.sink(path).commit({ ...made, initial, ...more })).toMatchObject({ kind: 'committed' })
}

interface Audited {
  readonly log: LogAudit
  readonly findings: readonly string[]
  /** By `pipeline/source partition`. */
  readonly rows: Readonly<Record<string, bigint | null>>
}

/** @param from the first log entry that is not passed over, as if the ones before it were gone */
async function audit(path: string, from = 0n): Promise<Audited> {
  const table = lake.table(path)
  const snapshot = (await table.snapshot())!
  const auditing = openAudit()
  for await (const entry of remainingEntries({ store: lake.store, table, end: snapshot.version + 1n }))
    if (entry.version >= from) auditing.add(entry)
  const log = auditing.finish(snapshot)
  const { columns } = snapshot
  expect(whyNoRowAudit({ log, columns })).toBe(null)
  const query = await selectTable({ snapshot, store: lake.store, tablePath: path, duckdb: async () => lake.duckdb })
  const audited = await lake.duckdb.withConnection((connection) => auditRows({ log, columns, query, connection }))
  return {
    log,
    findings: audited.findings.map(
      ({ kind, pipeline, sourcePartition, span, message }) =>
        `${kind} ${pipeline} ${sourcePartition} [${span.start}, ${span.end}) ${message}`,
    ),
    rows: Object.fromEntries(
      log.chains.map((chain) => [`${chain.pipeline}/${chain.sourcePartition}`, audited.rowsOf(chain)]),
    ),
  }
}

const far = 2n ** 53n + 1n

test('rows in ranges, each position once, are clean and counted by offset, whatever the ranges leave out', async () => {
  await commit('clean', batch(0n, 5n, await records(0, 1, 4)))
  await commit('clean', batch(5n, far + 2n, await records(5, far, far + 1n)))
  await commit('clean', batch(far + 2n, far + 9n, []))
  expect(await audit('clean')).toMatchObject({ findings: [], rows: { 'p/s/0': 6n } })
})

test('rows that no range covers are told per hole, also of source partitions without any range', async () => {
  await commit('outside', batch(10n, 12n, await records(10, 11, 3, 5)))
  await commit('outside', batch(12n, 14n, await records(12, 13, 14, far)))
  const other = `SELECT 'other' AS topic, 7::INTEGER AS partition, unnest([9]::BIGINT[]) AS "offset"`
  await commit('outside', batch(14n, 14n, await lake.stage(other)))
  const { findings, rows } = await audit('outside')
  expect(findings).toEqual([
    'row-outside null other/7 [9, 10) 1 row that no range covers',
    'row-outside p s/0 [3, 6) 2 rows that no range covers',
    `row-outside p s/0 [14, ${far + 1n}) 2 rows that no range covers`,
  ])
  expect(rows).toEqual({ 'p/s/0': 4n })
})

test('a position that is there twice is told, in one file or in two', async () => {
  await commit('twice', batch(0n, 5n, await records(0, 1, 1, 2)))
  await commit('twice', batch(5n, 9n, [...(await records(5, 6)), ...(await records(6, 7))]))
  expect((await audit('twice')).findings).toEqual(['row-twice p s/0 [1, 7) 2 positions are there more than once'])
})

test('two pipelines may each bring a position once; whose rows are whose is then unknown', async () => {
  await commit('two', batch(0n, 2n, await records(0, 1)))
  await commit('two', batch(0n, 2n, await records(0, 1)), { pipeline: 'q' })
  expect(await audit('two')).toMatchObject({ findings: [], rows: { 'p/s/0': null, 'q/s/0': null } })
  await commit('two', batch(2n, 3n, await records(1)), { pipeline: 'q' })
  expect((await audit('two')).findings).toEqual(['row-twice null s/0 [1, 2) 1 position is there more than once'])
})

test('a position that is there twice is told where one pipeline covered it, though another goes on behind', async () => {
  await commit('renamed', batch(0n, 3n, await records(0, 1, 1, 2)))
  await commit('renamed', batch(3n, 5n, await records(3, 4)), { pipeline: 'q' })
  expect((await audit('renamed')).findings).toEqual(['row-twice null s/0 [1, 2) 1 position is there more than once'])
  await commit('renamed', batch(3n, 3n, []))
  await commit('renamed', batch(5n, 6n, []), { pipeline: 'q' })
  expect((await audit('renamed', 2n)).findings).toEqual([]) // by entries that are gone either may have brought it
})

test('a record may be a dead letter once for each pipeline and step', async () => {
  await commit('letters', batch(0n, 5n, await letters(['p', 'parse', 1], ['p', 'check', 1], ['p', 'parse', 2])))
  await commit('letters', batch(0n, 5n, await letters(['q', 'parse', 1])), { pipeline: 'q' })
  expect(await audit('letters')).toMatchObject({ findings: [], rows: { 'p/s/0': 3n, 'q/s/0': 1n } })
  await commit('letters', batch(5n, 6n, await letters(['p', 'parse', 2], ['p', 'parse', 7])))
  expect((await audit('letters')).findings).toEqual([
    'row-outside p s/0 [7, 8) 1 row that no range covers',
    'row-twice p s/0 [2, 3) 1 position is there more than once',
  ])
})

test('dead letters of a pipeline that reads a table are not held against ranges of a log', async () => {
  const versions = { pipeline: 'silver', ranges: [{ sourcePartition: '5ce578a9-ad76', start: 0n, end: 1n }] }
  await commit('carried', batch(0n, 5n, await letters(['p', 'parse', 1])))
  await commit('carried', batch(0n, 1n, await letters(['silver', 'cast', 99], ['silver', 'cast', 99])), {
    ...versions,
    initial: new Map(),
  })
  const { findings, rows } = await audit('carried')
  expect(findings).toEqual([])
  expect(rows).toEqual({ 'p/s/0': 1n, 'silver/5ce578a9-ad76': null })
})

test('before the first range of a log that was cleaned up nothing is outside', async () => {
  await commit('cut', batch(0n, 5n, await records(0, 4)))
  await commit('cut', batch(5n, 9n, await records(5, 8, 20)))
  const { findings, rows } = await audit('cut', 1n)
  expect(findings).toEqual(['row-outside p s/0 [20, 21) 1 row that no range covers'])
  expect(rows).toEqual({ 'p/s/0': 2n })
})

test('rows without a position are passed over', async () => {
  const nothing = `SELECT NULL::VARCHAR AS topic, NULL::INTEGER AS partition, NULL::BIGINT AS "offset"`
  await commit('nulls', batch(0n, 5n, [...(await records(0)), ...(await lake.stage(nothing))]))
  await commit('nulls', batch(5n, 6n, await lake.stage(nothing)))
  expect(await audit('nulls')).toMatchObject({ findings: [], rows: { 'p/s/0': 1n } })
})

test('a table whose rows have no position, or whose ranges are none of a log, is refused with the reason', async () => {
  await commit('plain', batch(0n, 5n, await lake.stage('SELECT 1 AS id')))
  await commit('derived', batch(0n, 1n, await records(0)), {
    ranges: [{ sourcePartition: 'id-of-a-table', start: 0n, end: 1n }],
  })
  const why = async (path: string) => {
    const snapshot = (await lake.table(path).snapshot())!
    const auditing = openAudit()
    for await (const entry of lake.table(path).entries(0n, 1n)) auditing.add(entry)
    return whyNoRowAudit({ log: auditing.finish(snapshot), columns: snapshot.columns })
  }
  expect(await why('plain')).toBe('it has no column topic (string), partition (integer), offset (long)')
  expect(await why('derived')).toBe('ranges of p are versions of a table, not offsets')
})
