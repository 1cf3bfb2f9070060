import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { CommitOutcome, Range, Sink, TableSource } from '../../engine/contracts.ts'
import { type Duckdb, literals, openDuckdb, type Row } from '../../engine/duckdb.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { formatType } from '../../engine/schema.ts'
import type { OlapOptions } from '../olap/description.ts'
import type { Clickhouse } from './client.ts'
import { freshDatabase, service } from './service.testing.ts'
import { clickhouseSink } from './sink.ts'
import { clickhouseSource } from './source.ts'
import { parseType } from './type-names.ts'

const people: OlapOptions = {
  tables: { people: { from: 'rows', key: ['title', 'name'], owner: { title: 'title' } } },
  owners: 'touched',
}

const dir = mkdtempSync(join(tmpdir(), 'millrace-clickhouse-source-'))
let duckdb: Duckdb
let files = 0

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})
afterEach(() => armFault(null))

async function parquet(query: string): Promise<ParquetFile> {
  files += 1
  const path = join(dir, `${files}.parquet`)
  return duckdb.withConnection((connection) => copyToParquet(connection, query, path))
}

/** Rows of a title: names, each with a value. */
type Title = ReadonlyMap<string, number>

function sinkOf(clickhouse: Clickhouse, description = people): Sink {
  return clickhouseSink({ clickhouse, description, duckdb: async () => duckdb, stagingDir: dir, clock: systemClock })
}

function sourceOf(clickhouse: Clickhouse, table = 'people', writtenBy = 'p'): TableSource {
  return clickhouseSource({ clickhouse, table, writtenBy, duckdb: async () => duckdb, ids: systemIds })
}

async function commitQueries(
  sink: Sink,
  [start, end]: readonly [number, number],
  queries: Readonly<Record<string, string | null>>,
  { pipeline = 'p', partition = 'silver' } = {},
): Promise<CommitOutcome> {
  const outputs = new Map<string, ParquetFile[]>()
  for (const [step, query] of Object.entries(queries)) if (query !== null) outputs.set(step, [await parquet(query)])
  return sink.commit({
    pipeline,
    txnId: systemIds.uuid(),
    fingerprint: 'f',
    ranges: [{ sourcePartition: partition, start: BigInt(start), end: BigInt(end) }],
    initial: new Map(),
    outputs,
    columns: new Map(),
    signal: new AbortController().signal,
  })
}

function titlesQueries(titles: ReadonlyMap<number, Title>): Record<string, string | null> {
  const rows = [...titles].flatMap(([title, names]) =>
    [...names].map(([name, value]) => `(${title}, '${name}', ${value})`),
  )
  return {
    touched: `SELECT unnest([${[...titles.keys()].join(', ')}])::BIGINT AS title`,
    rows:
      rows.length === 0
        ? null
        : `SELECT title::BIGINT AS title, name, value FROM (VALUES ${rows.join(', ')}) v(title, name, value)`,
  }
}

const partition = 'olap/people/p'

async function read(source: TableSource, range: Range): Promise<Row[]> {
  const { files: found } = await source.files(range, dir)
  const rows = await duckdb.withConnection((connection) =>
    connection.rows(`SELECT * FROM read_parquet(${literals(found.map(({ path }) => path))}) ORDER BY ALL`),
  )
  return rows
}

async function rangeFrom(source: TableSource, start: bigint): Promise<Range> {
  return { sourcePartition: partition, start, end: (await source.latest()).get(partition) ?? start }
}

test.each([
  'long',
  'decimal(18,3)',
  'array<struct<id: long, name of it: string>>',
  'map<string, array<date>>',
  'struct<a: struct<b: timestamp_ntz>, c: binary>',
])('the name of type %s says what it is', (name) => {
  expect(formatType(parseType(name))).toBe(name)
})

test.each(['text', 'array<long', 'struct<>', 'struct<a: long, b>', 'longer', 'map<string>', 'decimal'])(
  '%s names no type',
  (name) => {
    expect(() => parseType(name)).toThrow(/is none that we know/)
  },
)

describe.skipIf(service.url === '')('over a service (needs CLICKHOUSE_URL)', () => {
  let clickhouse: Clickhouse
  beforeEach(async () => {
    clickhouse = await freshDatabase()
  })
  afterEach(() => clickhouse.close())

  const titles = (...given: [number, Record<string, number>][]) =>
    titlesQueries(new Map(given.map(([title, names]) => [title, new Map(Object.entries(names))])))
  const told = (rows: readonly Row[]) =>
    rows.map((row) => `${row._change_type} ${row.title}/${row.name} ${row.value}`).sort()

  test('each key once, as it is at the end of the range, and those that are gone', async () => {
    const [sink, source] = [sinkOf(clickhouse), sourceOf(clickhouse)]
    expect(await source.latest()).toEqual(new Map())
    expect(await source.identity!()).toEqual(new Map())
    await commitQueries(sink, [0, 3], titles([1, { ann: 1, bob: 2 }], [2, { cat: 3 }]))
    expect(await source.start()).toEqual(new Map([[partition, 0n]]))
    const first = await rangeFrom(source, 0n)
    expect(told(await read(source, first))).toEqual(['insert 1/ann 1', 'insert 1/bob 2', 'insert 2/cat 3'])
    await commitQueries(sink, [3, 5], titles([1, { ann: 5 }]))
    await commitQueries(sink, [5, 6], titles([1, { ann: 6 }], [3, { dan: 7 }]))
    const second = await rangeFrom(source, first.end)
    expect(told(await read(source, second))).toEqual(['delete 1/bob null', 'insert 1/ann 6', 'insert 3/dan 7'])
    expect(await source.count(second)).toBe(4)
    expect(await read(source, { ...second, start: second.end })).toEqual([])
  })

  test('a range that is read again has no other rows; what merges took away comes in a later one', async () => {
    const [sink, source] = [sinkOf(clickhouse), sourceOf(clickhouse)]
    await commitQueries(sink, [0, 1], titles([1, { ann: 1, bob: 2 }]))
    const first = await rangeFrom(source, 0n)
    const before = await read(source, first)
    await commitQueries(sink, [1, 2], titles([1, { ann: 9, bob: 2 }]))
    expect(await read(source, first)).toEqual(before)
    await clickhouse.run('OPTIMIZE TABLE _millrace_rows_people FINAL')
    expect(told(await read(source, first))).toEqual(['insert 1/bob 2'])
    expect(told(await read(source, await rangeFrom(source, first.end)))).toEqual(['insert 1/ann 9'])
  })

  test('what no commit stands for is not there yet', async () => {
    const [sink, source] = [sinkOf(clickhouse), sourceOf(clickhouse)]
    await commitQueries(sink, [0, 1], titles([1, { ann: 1 }]))
    const settled = await source.latest()
    armFault({ point: 'store-before-commit', passage: 1, action: 'throw' })
    await expect(commitQueries(sink, [1, 9], titles([1, { ann: 2 }], [2, { bob: 1 }]))).rejects.toMatchObject({
      code: 'FAULT_INJECTED',
    })
    expect(await source.latest()).toEqual(settled)
    // Run again in smaller parts: versions of the try that died are greater than those of its replay would be.
    await commitQueries(sink, [1, 2], titles([1, { ann: 3 }]))
    const range = await rangeFrom(source, settled.get(partition)!)
    expect(told(await read(source, range))).toContain('insert 1/ann 3')
    await commitQueries(sink, [2, 3], titles([2, { bob: 4 }]))
    expect(told(await read(source, await rangeFrom(source, range.end)))).toEqual(['insert 2/bob 4'])
  })

  test('whatever the batches, their deaths and when it is read: a reader ends with what the table holds', async () => {
    const names = fc.dictionary(fc.constantFrom('ann', 'bob', 'cat'), fc.integer({ min: 0, max: 3 }), { maxKeys: 3 })
    const batch = fc.record({
      steps: fc.integer({ min: 1, max: 4 }),
      dies: fc.boolean(),
      read: fc.boolean(),
      merge: fc.boolean(),
    })
    const history = fc.record({
      versions: fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), names), { minLength: 4, maxLength: 10 }),
      batches: fc.array(batch, { minLength: 4, maxLength: 8 }),
    })
    await fc.assert(
      fc.asyncProperty(history, async ({ versions, batches }) => {
        await clickhouse.run('DROP TABLE IF EXISTS _millrace_rows_people')
        await clickhouse.run('DROP TABLE IF EXISTS _millrace_positions')
        const [sink, source] = [sinkOf(clickhouse), sourceOf(clickhouse)]
        const held = new Map<string, unknown>()
        let [at, next] = [0, 0n]
        const follow = async () => {
          for (;;) {
            const range = await rangeFrom(source, next)
            if (range.start === range.end) return
            const cut = await source.cut(range, { maxRecords: 2, maxBytes: 1 })
            for (const row of await read(source, cut)) {
              if (row._change_type === 'delete') held.delete(`${row.title}/${row.name}`)
              else held.set(`${row.title}/${row.name}`, row.value)
            }
            next = cut.end
          }
        }
        for (const { steps, dies, read: reads, merge } of [
          ...batches,
          { steps: 99, dies: false, read: true, merge: true },
        ]) {
          const end = Math.min(versions.length, at + steps)
          if (end > at) {
            const changed = new Map(
              versions.slice(at, end).map(([title, rows]) => [title, new Map(Object.entries(rows))]),
            )
            armFault(dies ? { point: 'store-before-commit', passage: 1, action: 'throw' } : null)
            const outcome = await commitQueries(sink, [at, end], titlesQueries(changed)).catch(() => null)
            armFault(null)
            if (outcome?.kind === 'committed') at = end
          }
          if (
            merge &&
            at > 0 &&
            (
              await clickhouse.rows(
                "SELECT 1 AS x FROM system.tables WHERE database = currentDatabase() AND name = '_millrace_rows_people'",
              )
            ).length > 0
          )
            await clickhouse.run('OPTIMIZE TABLE _millrace_rows_people FINAL')
          if (reads) await follow()
        }
        const final = new Map(versions.map(([title, rows]) => [title, rows]))
        const wanted = [...final].flatMap(([title, rows]) =>
          Object.entries(rows).map(([name, value]) => `${title}/${name}=${value}`),
        )
        expect([...held].map(([key, value]) => `${key}=${value}`).sort()).toEqual(wanted.sort())
      }),
      { numRuns: 12 },
    )
  }, 180_000)

  test('a range is cut between versions, and holds at least one', async () => {
    const [sink, source] = [sinkOf(clickhouse), sourceOf(clickhouse)]
    await commitQueries(sink, [0, 1], titles([1, { ann: 1, bob: 2 }]))
    await commitQueries(sink, [1, 2], titles([2, { ann: 1 }]))
    await commitQueries(sink, [2, 3], titles([3, { ann: 1 }]))
    const whole = await rangeFrom(source, 0n)
    const cut = async (maxRecords: number) => (await source.cut(whole, { maxRecords, maxBytes: 1 })).end
    expect([await cut(1), await cut(2), await cut(3), await cut(99)]).toEqual([2n, 2n, 3n, whole.end])
    expect(await source.cut({ ...whole, start: whole.end }, { maxRecords: 1, maxBytes: 1 })).toEqual({
      ...whole,
      start: whole.end,
    })
  })

  test('values come as they went, before 1900 too, and null where they were null', async () => {
    const all: OlapOptions = {
      tables: { t: { from: 'rows', key: ['id', 'day'], owner: { id: 'id' } } },
      owners: 'rows',
    }
    const query = `SELECT * FROM (VALUES
      (1::BIGINT, DATE '1874-12-09', TIMESTAMPTZ '1901-02-03 04:05:06.789012+00', TIMESTAMP '2299-12-31 23:59:59', 1.5::DECIMAL(18, 3), '\\xAA\\x00'::BLOB, true,
        [{'id': 5::BIGINT, 'day': DATE '1700-01-01'}, {'id': NULL, 'day': NULL}], MAP {'a': [1, NULL]}, 2::TINYINT, 1.25::FLOAT, 'a\\b'''),
      (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
      (3, DATE '2026-01-02', NULL, NULL, 0, ''::BLOB, false, [], MAP {}, 0, 0, '')) v(id, day, "at", local, price, bytes, good, list, map, small, short, text)`
    await commitQueries(sinkOf(clickhouse, all), [0, 1], { rows: query })
    const source = sourceOf(clickhouse, 't')
    const end = (await source.latest()).get('olap/t/p')!
    const { columns, files: found } = await source.files({ sourcePartition: 'olap/t/p', start: 0n, end }, dir)
    const [same] = await duckdb.withConnection(async (connection) => {
      const names = columns
        .slice(0, -2)
        .map(({ name }) => `"${name}"`)
        .join(', ')
      await connection.run(`CREATE OR REPLACE TEMP TABLE went AS SELECT ${names} FROM (${query})`)
      await connection.run(
        `CREATE OR REPLACE TEMP TABLE came AS SELECT ${names} FROM read_parquet(${literals(found.map(({ path }) => path))})`,
      )
      expect(await connection.describe('FROM came')).toEqual(await connection.describe('FROM went'))
      return connection.rows('SELECT count(*) AS n FROM (FROM went INTERSECT ALL FROM came)')
    })
    expect(same).toEqual({ n: 3n })
    await commitQueries(sinkOf(clickhouse, all), [1, 2], { rows: 'SELECT 1::BIGINT AS id, NULL::DATE AS day' })
    const gone = await read(source, { sourcePartition: 'olap/t/p', start: end, end: end + 5n })
    expect(gone.find((row) => row._change_type === 'delete')).toMatchObject({
      id: 1n,
      list: null,
      map: null,
      bytes: null,
    })
  })

  test('pipelines that fill one table are read apart, and one that does not is nothing to read', async () => {
    const sink = sinkOf(clickhouse)
    await commitQueries(sink, [0, 7], titles([1, { ann: 1 }]), { pipeline: 'p' })
    await commitQueries(sink, [0, 2], titles([2, { bob: 1 }]), { pipeline: 'q' })
    const other = sourceOf(clickhouse, 'people', 'q')
    const end = (await other.latest()).get('olap/people/q')!
    expect(told(await read(other, { sourcePartition: 'olap/people/q', start: 0n, end }))).toEqual(['insert 2/bob 1'])
    expect(await sourceOf(clickhouse, 'people', 'r').latest()).toEqual(new Map())
  })

  test('a table that was dropped and made anew is another one', async () => {
    const [sink, source] = [sinkOf(clickhouse), sourceOf(clickhouse)]
    await commitQueries(sink, [0, 1], titles([1, { ann: 1 }]))
    const identity = await source.identity!()
    expect([...identity.keys()]).toEqual([`${partition}/id`])
    expect(await source.identity!()).toEqual(identity)
    await clickhouse.run('DROP TABLE _millrace_rows_people')
    await commitQueries(sink, [1, 2], titles([1, { ann: 1 }]))
    expect(await source.identity!()).not.toEqual(identity)
  })

  test('rows without an order, and rows that do not say who wrote them, are refused by name', async () => {
    const sink = sinkOf(clickhouse)
    await commitQueries(sink, [0, 1], titles([1, { ann: 1 }]), { partition: 'topic/0' })
    expect((await sourceOf(clickhouse).latest()).size).toBe(1)
    await commitQueries(sink, [0, 1], titles([2, { ann: 1 }]), { partition: 'topic/1' })
    await expect(sourceOf(clickhouse).latest()).rejects.toMatchObject({
      code: 'TABLE_UNSUPPORTED',
      message: expect.stringContaining('pipeline p fills it from several partitions of a topic'),
    })

    await clickhouse.run('ALTER TABLE _millrace_rows_people DROP COLUMN _millrace_pipeline')
    await commitQueries(sink, [0, 1], titles([3, { ann: 1 }]), { pipeline: 'q' })
    await expect(sourceOf(clickhouse, 'people', 'q').latest()).rejects.toMatchObject({
      code: 'TABLE_UNSUPPORTED',
      message: expect.stringContaining('rows of an earlier version that do not say which pipeline wrote them'),
    })
  })
})
