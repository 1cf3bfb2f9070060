import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Table as ArrowTable,
  Binary,
  DateDay,
  Field,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  RecordBatch,
  Schema,
  Struct,
  TimestampMillisecond,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Connection, type Duckdb, literal, openDuckdb } from '../duckdb.ts'
import { armFault } from '../fault-points.ts'
import { recordColumns } from '../record.ts'
import { batchOf, tableOf } from './arrow.ts'
import { readParquet, readParquetBatches, writeParquet } from './parquet.ts'
import { type PlainRecord, recordTable } from './record-table.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-parquet-'))
let duckdb: Duckdb
let files = 0

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

const freshPath = () => join(dir, `${files++}.parquet`)
const query = <T>(work: (connection: Connection) => Promise<T>) => duckdb.withConnection(work)

function table(
  columns: Readonly<Record<string, readonly [type: Field['type'], values: readonly unknown[]]>>,
): ArrowTable {
  const entries = Object.entries(columns)
  const fields = entries.map(([name, [type]]) => new Field(name, type, true))
  const data = entries.map(([, [type, values]]) => vectorFromArray(values, type).data[0]!)
  return tableOf([batchOf(fields, data, data[0]!.length)])
}

const record = (row: number): PlainRecord => ({
  topic: 'movies',
  partition: row % 3,
  offset: 2n ** 53n + BigInt(row),
  timestampMicros: 1_700_000_000_000_001n + BigInt(row),
  key: row % 2 === 0 ? null : Buffer.from(`k${row}`),
  value: row % 5 === 0 ? null : Buffer.from([0, 255, row]),
  headers:
    row % 4 === 0
      ? [
          { key: 'h', value: null },
          { key: 'ü', value: Buffer.from([row]) },
        ]
      : [],
})

test('records come back from DuckDB as they were, with the types of the lake', async () => {
  const rows = Array.from({ length: 100 }, (_, row) => record(row))
  const file = await writeParquet([recordTable(rows.slice(0, 40)), recordTable(rows.slice(40))], freshPath())
  expect(file.columns).toEqual(recordColumns)
  expect(file.rows).toBe(100)
  const read = await query((c) =>
    c.rows(`SELECT *, epoch_us("timestamp") AS us FROM read_parquet(${literal(file.path)})`),
  )
  expect(read.map(({ offset }) => offset)).toEqual(rows.map(({ offset }) => offset))
  expect(read.map(({ us }) => us)).toEqual(rows.map(({ timestampMicros }) => timestampMicros))
  expect(read.map(({ value }) => value && Buffer.from(value as Uint8Array))).toEqual(rows.map(({ value }) => value))
  expect(read[4]!.headers).toEqual([
    { key: 'h', value: null },
    { key: 'ü', value: expect.anything() },
  ])
  const types = await query((c) => c.rows(`DESCRIBE SELECT * FROM read_parquet(${literal(file.path)})`))
  expect(types.map((row) => row.column_type)).toEqual([
    'VARCHAR',
    'INTEGER',
    'BIGINT',
    'TIMESTAMP WITH TIME ZONE',
    'BLOB',
    'BLOB',
    'STRUCT("key" VARCHAR, "value" BLOB)[]',
  ])
})

test('a file is read back in order, whole and in batches', async () => {
  const ids = Array.from({ length: 10_000 }, (_, row) => BigInt(row))
  const { path } = await writeParquet([table({ id: [new Int64(), ids] })], freshPath())
  expect([...(await readParquet(path)).getChild('id')!]).toEqual(ids)
  const sizes: number[] = []
  for await (const batch of readParquetBatches(path, 4096)) sizes.push(batch.numRows)
  expect(sizes).toEqual([4096, 4096, 1808])
})

test('a table without rows makes a file with its columns', async () => {
  const file = await writeParquet([recordTable([])], freshPath())
  expect([file.rows, file.statistics]).toEqual([0, []])
  const back = await readParquet(file.path)
  expect([back.numRows, back.schema.fields.length]).toEqual([0, 7])
})

test('large batches keep all rows, and row groups end before they grow beyond their size', async () => {
  let state = 1
  const noise = () => Uint32Array.from({ length: 256 }, () => (state = (state * 1_664_525 + 1_013_904_223) >>> 0))
  const values = Array.from({ length: 10_000 }, () => new Uint8Array(noise().buffer))
  const chunk = table({ b: [new Binary(), values] })
  const { path } = await writeParquet(Array(4).fill(chunk), freshPath())
  const [all] = await query((c) =>
    c.rows(`SELECT count(*) AS rows, count(DISTINCT b) AS values FROM read_parquet(${literal(path)})`),
  )
  expect(all).toEqual({ rows: 40_000n, values: 10_000n })
  const groups = await query((c) =>
    c.rows(`SELECT total_uncompressed_size AS size FROM parquet_metadata(${literal(path)})`),
  )
  expect(groups.length).toBeGreaterThan(1)
  for (const { size } of groups) expect(Number(size)).toBeLessThan(32 * 2 ** 20)
}, 20_000)

const nullable = <T>(value: fc.Arbitrary<T>) => fc.array(fc.option(value, { freq: 4 }), { minLength: 1, maxLength: 12 })

test('statistics are those of the rows', async () => {
  const rows = fc.tuple(
    nullable(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    nullable(fc.double({ noNaN: true, noDefaultInfinity: true })),
    nullable(fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed() && !text.includes('\0'))),
    nullable(fc.integer({ min: -719_162, max: 2_932_896 })),
  )
  await fc.assert(
    fc.asyncProperty(rows, async ([longs, doubles, texts, days]) => {
      const length = Math.min(longs.length, doubles.length, texts.length, days.length)
      const cut = <T>(values: readonly T[]) => values.slice(0, length)
      const dates = cut(days).map((day) => (day === null ? null : new Date(day * 86_400_000)))
      const columns = table({
        l: [new Int64(), cut(longs)],
        d: [new Float64(), cut(doubles)],
        t: [new Utf8(), cut(texts)],
        y: [new DateDay(), dates],
      })
      const { path, statistics } = await writeParquet([columns], freshPath())
      const [all] = await query((c) =>
        c.rows(
          `SELECT ${['l', 'd', 't', 'y'].map((name) => `min(${name})::VARCHAR AS ${name}min, max(${name})::VARCHAR AS ${name}max, count(*) - count(${name}) AS ${name}nulls`)} FROM read_parquet(${literal(path)})`,
        ),
      )
      for (const {
        path: [name],
        min,
        max,
        nullCount,
      } of statistics) {
        expect(BigInt(nullCount)).toBe(all![`${name}nulls`])
        const same = (bound: unknown, text: unknown) =>
          expect(name === 'd' && bound !== undefined ? Number(text) : (text ?? undefined)).toEqual(
            typeof bound === 'bigint' ? String(bound) : bound,
          )
        same(min, all![`${name}min`])
        same(max, all![`${name}max`])
      }
    }),
    { numRuns: 60 },
  )
}, 30_000)

test('a NaN or an infinity anywhere leaves a column without bounds', async () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const { statistics } = await writeParquet([table({ d: [new Float64(), [1, value, 2]] })], freshPath())
    expect(statistics).toEqual([{ path: ['d'], nullCount: 0 }])
  }
})

test('nested columns have statistics inside structs, none inside lists, and count a null struct as null', async () => {
  const inner = new Struct<{ a: Int32; l: List<Int32> }>([
    new Field('a', new Int32(), true),
    new Field('l', new List(new Field('item', new Int32(), true)), true),
  ])
  const rows = [{ a: 5, l: [1] }, null, { a: null, l: null }, { a: -5, l: [] }]
  const { statistics, path } = await writeParquet([table({ s: [inner, rows] })], freshPath())
  expect(statistics).toEqual([{ path: ['s', 'a'], nullCount: 2, min: -5n, max: 5n }])
  const read = await query((c) => c.rows(`SELECT s.a AS a, s.l AS l FROM read_parquet(${literal(path)})`))
  expect(read.map(({ a }) => a)).toEqual([5, null, null, -5])
  expect(read.map(({ l }) => l)).toEqual([[1], null, null, []])
})

test('only columns of few texts get a dictionary', async () => {
  const rows = Array.from({ length: 500 }, (_, row) => row)
  const { path } = await writeParquet(
    [
      table({
        label: [new Utf8(), rows.map((row) => `l${row % 3}`)],
        title: [new Utf8(), rows.map((row) => `t${row}`)],
      }),
    ],
    freshPath(),
  )
  const found = await query((c) =>
    c.rows(`SELECT path_in_schema AS name, encodings FROM parquet_metadata(${literal(path)}) ORDER BY name`),
  )
  expect(found.map(({ encodings }) => String(encodings).includes('DICTIONARY'))).toEqual([true, false])
})

test('a type that no table holds is refused by name, and no file is left', async () => {
  const path = freshPath()
  await expect(writeParquet([table({ at: [new TimestampMillisecond(), [0]] })], path)).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('column at has an Arrow type that no table can hold'),
  })
  await expect(readParquet(path)).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
})

test('a folder that is not there is a storage failure', async () => {
  await expect(writeParquet([recordTable([])], join(dir, 'nowhere', 'x.parquet'))).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
  })
})

test('a failure at the end leaves no file behind', async () => {
  const path = freshPath()
  armFault({ point: 'file-written', passage: 1, action: 'throw' })
  try {
    await expect(writeParquet([recordTable([record(1)])], path)).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  } finally {
    armFault(null)
  }
  await expect(readParquet(path)).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
})

test('batches that are slices of larger buffers are written as their own rows only', async () => {
  const whole = recordTable(Array.from({ length: 50 }, (_, row) => record(row))).batches[0]!
  const { path, statistics } = await writeParquet(
    [new ArrowTable([whole.slice(7, 19), whole.slice(30, 31)])],
    freshPath(),
  )
  const read = await query((c) =>
    c.rows(
      `SELECT "offset" - 9007199254740992 AS row, "key" IS NULL AS nokey, len(headers) AS headers FROM read_parquet(${literal(path)})`,
    ),
  )
  const rows = [...Array.from({ length: 12 }, (_, i) => i + 7), 30]
  expect(read.map(({ row }) => Number(row))).toEqual(rows)
  expect(read.map(({ nokey }) => nokey)).toEqual(rows.map((row) => row % 2 === 0))
  expect(read.map(({ headers }) => Number(headers))).toEqual(rows.map((row) => (row % 4 === 0 ? 2 : 0)))
  expect(statistics.find(({ path: [name] }) => name === 'offset')).toMatchObject({
    min: 2n ** 53n + 7n,
    max: 2n ** 53n + 30n,
  })
})

test('the memory of the encoder does not grow with the number of files', async () => {
  const rows = recordTable(Array.from({ length: 2000 }, (_, row) => record(row % 250)))
  for (let i = 0; i < 5; i++) await writeParquet([rows], freshPath())
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external
  for (let i = 0; i < 60; i++) await writeParquet([rows], freshPath())
  const after = process.memoryUsage().arrayBuffers + process.memoryUsage().external
  expect(after - before).toBeLessThan(64 * 2 ** 20)
})

test('an Arrow batch made by hand needs no nullable fields', async () => {
  const schema = new Schema([new Field('id', new Int64(), false)])
  const [data] = vectorFromArray([1n, 2n], new Int64()).data
  const batch = new RecordBatch(schema, batchOf(schema.fields, [data!], 2).data as never)
  expect((await writeParquet([new ArrowTable([batch])], freshPath())).columns).toEqual([{ name: 'id', type: 'long' }])
})

test.each([
  ['double', new Float64()],
  ['float', new Float32()],
] as const)('a filter finds the NaN of a %s column, also inside a struct', async (_, type) => {
  const path = freshPath()
  const inner = vectorFromArray([{ y: Number.NaN }, { y: 1.5 }], new Struct([new Field('y', type, true)]))
  const rows = new ArrowTable({
    x: vectorFromArray([Number.NaN, 1.5], type),
    s: inner,
    n: vectorFromArray([1, 2], new Int32()),
  })
  await writeParquet([rows], path)
  const count = async (where: string) =>
    (await query((c) => c.rows(`SELECT n FROM read_parquet(${literal(path)}) WHERE ${where}`))).length
  for (const column of ['x', 's.y'])
    expect([await count(`${column} = 'NaN'`), await count(`${column} > 10`)]).toEqual([1, 1])
  const bounds = await query((c) =>
    c.rows(`SELECT stats_max_value AS m FROM parquet_metadata(${literal(path)}) WHERE path_in_schema = 'n'`),
  )
  expect(bounds).toEqual([{ m: '2' }])
})
