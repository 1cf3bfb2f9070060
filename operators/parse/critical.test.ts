import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Table as ArrowTable } from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type PlainRecord, recordTable } from '../../engine/batch/record-table.ts'
import { parseCritical } from './critical.ts'
import { criticalStep } from './critical-step.ts'
import {
  boolean,
  constant,
  type Field,
  float64,
  int64,
  oneOf,
  recordKey,
  recordTimestamp,
  text,
  timestamp,
} from './fields.ts'

type Fields = Readonly<Record<string, Field>>

function record(value: string | Uint8Array | null, key: string | Uint8Array | null = null, row = 0): PlainRecord {
  const bytes = (part: string | Uint8Array | null) => (typeof part === 'string' ? Buffer.from(part) : part)
  const place = { topic: 'movies', partition: 0, offset: BigInt(row), timestampMicros: 1_700_000_000_000_000n }
  return { ...place, key: bytes(key), value: bytes(value) }
}

async function parse(fields: Fields, ...records: PlainRecord[]) {
  return criticalStep(parseCritical('parse', fields)).process(recordTable(records))
}

function column(table: ArrowTable, name: string): unknown[] {
  return [...table.getChild(name)!]
}

/** The one value of the field, or the code and message of the rejection. */
async function one(field: Field, json: string): Promise<unknown> {
  const { valid, rejected } = await parse({ field }, record(`{"field": ${json}}`))
  if (rejected !== null) return `${rejected.codes[0]}: ${rejected.messages[0]}`
  return valid.getChild('field')!.get(0)
}

const micros = async (field: Field, json: string): Promise<bigint | unknown> => {
  const { valid, rejected } = await parse({ field }, record(`{"field": ${json}}`))
  return rejected === null ? (valid.getChild('field')!.data[0]!.values[0] as bigint) : rejected.codes[0]
}

test.each([
  ['0', 0n],
  ['-0', 0n],
  ['-1', -1n],
  ['4294967296', 4_294_967_296n],
  ['-4294967297', -4_294_967_297n],
  ['9007199254740993', 9_007_199_254_740_993n],
  ['9223372036854775807', 9_223_372_036_854_775_807n],
  ['-9223372036854775808', -9_223_372_036_854_775_808n],
])('int64 is exact: %s', async (json, value) => {
  expect(await one(int64('$.field'), json)).toBe(value)
})

test.each([
  [
    int64('$.field'),
    '9223372036854775808',
    'WRONG_TYPE: field field ($.field): 9223372036854775808 is not a whole number of 64 bits (byte 10)',
  ],
  [int64('$.field'), '1.0', 'WRONG_TYPE: field field ($.field): 1.0 is not a whole number of 64 bits (byte 10)'],
  [int64('$.field'), '1e3', 'WRONG_TYPE: field field ($.field): 1e3 is not a whole number of 64 bits (byte 10)'],
  [int64('$.field'), '"1"', 'WRONG_TYPE: field field ($.field): "1" is not a whole number of 64 bits (byte 10)'],
  [int64('$.field'), 'null', 'MISSING_FIELD: field field ($.field) is null (byte 10)'],
  [text('$.field'), '5', 'WRONG_TYPE: field field ($.field): 5 is not a string (byte 10)'],
  [
    text('$.field'),
    '"\\ud800"',
    'INVALID_UTF8: field field ($.field): "\\ud800" holds half of a surrogate pair (byte 10)',
  ],
  [
    oneOf('$.field', ['old', 'new']),
    '"odd"',
    'NOT_ONE_OF: field field ($.field): "odd" is not one of old, new (byte 10)',
  ],
  [
    timestamp('$.field'),
    '"2026-01-31"',
    'INVALID_TIMESTAMP: field field ($.field): "2026-01-31" is not ISO 8601 such as 2026-01-31T12:00:00Z (byte 10)',
  ],
  [
    timestamp('$.field'),
    '"2026-01-31T00:00:00"',
    'INVALID_TIMESTAMP: field field ($.field): "2026-01-31T00:00:00" has no time zone (Z or an offset such as +02:00) (byte 10)',
  ],
  [
    timestamp('$.field', { unit: 's' }),
    '1e300',
    'OUT_OF_RANGE: field field ($.field): 1e300 is not in the years 1 to 9999 (byte 10)',
  ],
  [float64('$.field'), '1e999', 'OUT_OF_RANGE: field field ($.field): 1e999 is too large for a double (byte 10)'],
  [boolean('$.field'), '0', 'WRONG_TYPE: field field ($.field): 0 is not true or false (byte 10)'],
  [int64('$.other'), '1', 'MISSING_FIELD: field field ($.other) is missing (byte 0)'],
  [int64('$.field.id'), '"x"', 'WRONG_TYPE: field field ($.field): "x" is not an object (byte 10)'],
  [int64('$.field.id'), '{"id": null}', 'MISSING_FIELD: field field ($.field.id) is null (byte 17)'],
])('%j refuses %s and says where', async (field, json, message) => {
  expect(await one(field, json)).toBe(message)
})

test.each([
  ['', 'EMPTY', 'value is empty'],
  ['{"field": ', 'TRUNCATED', 'value ends in the middle of the document (byte 10)'],
  ['<xml/>', 'NOT_JSON', 'value is not JSON: found <xml/> (byte 0)'],
  ['[1]', 'NOT_AN_OBJECT', 'value is no JSON object: found [1]'],
  [
    '{"field":1,"field":2}',
    'DUPLICATE_FIELD',
    'field $.field stands twice, so that readers would disagree: found 2 (byte 19)',
  ],
])('the document %j is rejected as %s', async (document, code, message) => {
  const { rejected, valid } = await parse({ field: int64('$.field') }, record(document))
  expect(rejected).toEqual({ rows: [0], codes: [code], messages: [message] })
  expect(valid.numRows).toBe(0)
})

test('what is found is cut short in messages', async () => {
  const { rejected } = await parse({ id: int64('$.id') }, record(`{"id":"${'é'.repeat(500)}"}`))
  expect(rejected!.messages[0]!.length).toBeLessThan(150)
})

test('bytes that are not UTF-8 are rejected, alone among good neighbours', async () => {
  const bad = Buffer.concat([Buffer.from('{"id":2,"x":"'), Buffer.from([0xc3]), Buffer.from('"}')])
  const { valid, rejected } = await parse(
    { id: int64('$.id') },
    record('{"id":1,"x":"é"}'),
    record(bad),
    record('{"id":3}'),
  )
  expect(rejected).toEqual({ rows: [1], codes: ['INVALID_UTF8'], messages: ['value is not UTF-8'] })
  expect(column(valid, 'id')).toEqual([1n, 3n])
})

test('a character split over two records makes neither of them valid', async () => {
  const [first, second] = [Buffer.from([0x7b, 0x7d, 0xc3]), Buffer.from([0xa9, 0x7b, 0x7d])]
  const { rejected } = await parse({ id: int64('$.id', { optional: true }) }, record(first), record(second))
  expect(rejected!.rows).toEqual([0, 1])
})

test('without rejections the columns that come in go out as they are, not copied', async () => {
  const table = recordTable([record('{"id":1}'), record('{"id":2}')])
  const { valid, rejected } = await criticalStep(parseCritical('parse', { id: int64('$.id') })).process(table)
  expect(rejected).toBeNull()
  expect(valid.schema.fields.map(({ name }) => name)).toEqual([...table.schema.fields.map(({ name }) => name), 'id'])
  expect(valid.getChild('value')!.data[0]!.values).toBe(table.getChild('value')!.data[0]!.values)
})

test('rejected rows leave no trace in the columns around them', async () => {
  const fields = { id: int64('$.id'), name: text('$.name', { optional: true }) }
  const documents = [
    '{"id":1,"name":"a"}',
    '{"name":"lost"}',
    '{"id":3}',
    '{"name":null,"id":"x"}',
    '{"id":5,"name":"\\u00e9"}',
  ]
  const records = documents.map((document, row) => record(document, `k${row}`, row))
  const { valid, rejected } = await parse(fields, ...records)
  expect(column(valid, 'id')).toEqual([1n, 3n, 5n])
  expect(column(valid, 'name')).toEqual(['a', null, 'é'])
  expect(column(valid, 'offset')).toEqual([0n, 2n, 4n])
  expect(column(valid, 'key').map((key) => Buffer.from(key as Uint8Array).toString())).toEqual(['k0', 'k2', 'k4'])
  expect(rejected!.rows).toEqual([1, 3])
})

test('tombstones take their fields from the record, where the fields say so', async () => {
  const fields = {
    id: int64('$.id', { tombstone: recordKey() }),
    label: oneOf('$.label', ['old', 'deleted'], { tombstone: constant('deleted') }),
    at: timestamp('$.at', { tombstone: recordTimestamp() }),
    title: text('$.title', { optional: true }),
  }
  const { valid, rejected } = await parse(
    fields,
    record(null, '9007199254740993'),
    record(null, 'seven'),
    record(null, null),
    record(null, Buffer.from([0xff])),
  )
  expect(column(valid, 'id')).toEqual([9_007_199_254_740_993n])
  expect(column(valid, 'label')).toEqual(['deleted'])
  expect(valid.getChild('at')!.data[0]!.values[0]).toBe(1_700_000_000_000_000n)
  expect(column(valid, 'title')).toEqual([null])
  expect(column(valid, 'value')).toEqual([null])
  expect(rejected!.codes).toEqual(Array(3).fill('TOMBSTONE_KEY_INVALID'))
  expect(rejected!.messages[0]).toBe(
    "field id is the record's key when the value is null: seven is not a whole number of 64 bits (byte 0 of the key)",
  )
})

test('a tombstone that was sent again is as old as when it first was', async () => {
  const fields = {
    id: int64('$.id', { tombstone: recordKey() }),
    at: timestamp('$.at', { tombstone: recordTimestamp() }),
  }
  const again = (value: string) => ({
    ...record(null, '7'),
    headers: [
      { key: 'other', value: null },
      { key: 'millrace-first-timestamp', value: Buffer.from(value) },
    ],
  })
  const { valid } = await parse(
    fields,
    again('2023-11-14T22:13:21.000007Z'),
    again('1969-12-31T23:59:59.999999Z'),
    again('148108-07-06T14:00:27.387000Z'),
    again('-1198-03-01T23:59:59.999999Z'),
    again('some day'),
    record(null, '8'),
  )
  const now = 1_700_000_000_000_000n
  expect([...(valid.getChild('at')!.data[0]!.values as BigInt64Array)]).toEqual([
    now + 1_000_007n,
    -1n,
    4_611_686_018_427_387_000n,
    -99_967_219_200_000_001n,
    now,
    now,
  ])
})

test('a tombstone that the fields do not provide for is rejected', async () => {
  const { rejected } = await parse({ id: int64('$.id') }, record(null, '1'))
  expect(rejected!.codes).toEqual(['TOMBSTONE_UNEXPECTED'])
  const optional = await parse({ id: int64('$.id', { optional: true }) }, record(null, '1'))
  expect(optional.rejected!.codes).toEqual(['TOMBSTONE_UNEXPECTED'])
})

test.each([
  ['1970-01-01T00:00:00Z', 0n],
  ['2026-01-31T12:00:00.123456789+02:00', BigInt(Date.UTC(2026, 0, 31, 10)) * 1000n + 123_456n],
  ['2024-02-29 23:59:59.5-0130', BigInt(Date.UTC(2024, 2, 1, 1, 29, 59, 500)) * 1000n],
  ['0001-01-01T00:00:00Z', -62_135_596_800_000_000n],
  ['9999-12-31T23:59:59.999999Z', 253_402_300_799_999_999n],
  ['1969-12-31T23:59:59.999999Z', -1n],
  ['2024-01-01T00:00:00\\u005a', BigInt(Date.UTC(2024, 0, 1)) * 1000n],
])('the timestamp %s is read to the microsecond', async (iso, expected) => {
  expect(await micros(timestamp('$.field'), `"${iso}"`)).toBe(expected)
})

test.each([
  '2023-02-29T00:00:00Z',
  '2024-13-01T00:00:00Z',
  '2024-01-01T24:00:00Z',
  '2024-01-01T00:00:60Z',
  '0000-01-01T00:00:00Z',
  '2024-01-01T00:00:00.Z',
  '2024-01-01T00:00:00+1',
  '2024-01-01T00:00:00Zx',
  '2024-01-01t00:00',
  '',
])('the timestamp %j is refused', async (iso) => {
  expect(await micros(timestamp('$.field'), `"${iso}"`)).toBe('INVALID_TIMESTAMP')
})

test('timestamps agree with Date over its whole range of years', async () => {
  const instant = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  })
  await fc.assert(
    fc.asyncProperty(instant, async (date) => {
      const expected = BigInt(date.getTime()) * 1000n
      expect(await micros(timestamp('$.field'), `"${date.toISOString()}"`)).toBe(expected)
      expect(await micros(timestamp('$.field', { unit: 'ms' }), String(date.getTime()))).toBe(expected)
    }),
    { numRuns: 300 },
  )
})

test('epoch seconds may have a fraction', async () => {
  expect(await micros(timestamp('$.field', { unit: 's' }), '1700000000.123456')).toBe(1_700_000_000_123_456n)
})

test('the values of every type are those of JSON.parse', async () => {
  const fields = {
    id: int64('$.id'),
    name: text("$.deep['a b'].name"),
    score: float64('$.score'),
    adult: boolean('$.adult'),
  }
  const row = fc.record({
    id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    name: fc.string({ unit: 'grapheme', maxLength: 40 }),
    score: fc.double({ noDefaultInfinity: true, noNaN: true }),
    adult: fc.boolean(),
    rest: fc.jsonValue({ maxDepth: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
      const documents = rows.map(
        ({ id, name, score, adult, rest }) =>
          `{"rest":${JSON.stringify(rest)},"id":${id},"deep":{"name":1,"a b":{"name":${JSON.stringify(name)}}},"score":${JSON.stringify(score)},"adult":${adult}}`,
      )
      const { valid, rejected } = await parse(fields, ...documents.map((document) => record(document)))
      expect(rejected).toBeNull()
      expect(column(valid, 'id')).toEqual(rows.map(({ id }) => id))
      expect(column(valid, 'name')).toEqual(rows.map(({ name }) => name))
      expect(column(valid, 'score')).toEqual(rows.map(({ score }) => JSON.parse(JSON.stringify(score))))
      expect(column(valid, 'adult')).toEqual(rows.map(({ adult }) => adult))
    }),
  )
})

test.each([
  [{}, 'no fields'],
  [{ offset: int64('$.id') }, 'name of a record column'],
  [{ a: int64('$.a'), b: int64('$.a.b') }, 'lies on the way'],
])('the definition %j is refused', (fields, problem) => {
  expect(parseCritical('parse', fields as Fields).problems).toEqual([expect.stringContaining(problem)])
})

test.each(['id', '$', '$.', '$.a[0]', '$.a..b', "$['a", '$.a b', '$.*'])('the path %j is refused', (path) => {
  expect(int64(path).problem).toContain('object fields from the root')
})

test('tombstone values that a field cannot hold are refused when it is defined', () => {
  expect(int64('$.id', { tombstone: constant('x') }).problem).toContain('is no int64')
  expect(int64('$.id', { tombstone: constant(null) }).problem).toContain('is no int64')
  expect(int64('$.id', { tombstone: recordTimestamp() }).problem).toContain('fits timestamp fields only')
  expect(oneOf('$.x', ['a'], { tombstone: constant('b') }).problem).toContain('is no one-of')
  expect(timestamp('$.x', { tombstone: constant('2026-01-01') }).problem).toContain('is no timestamp')
})

test('a definition survives JSON', async () => {
  const step = parseCritical('parse', { id: int64('$.id', { tombstone: constant(2n ** 60n) }) })
  const again = criticalStep(JSON.parse(JSON.stringify(step)))
  const { valid } = await again.process(recordTable([record(null), record('{"id":7}')]))
  expect(column(valid, 'id')).toEqual([2n ** 60n, 7n])
})

const history = new URL('../../../shared/data/tmdb/history.jsonl.gz', import.meta.url)

test.skipIf(!existsSync(history))('real documents are parsed as JSON.parse parses them', async () => {
  const lines = gunzipSync(readFileSync(history)).toString().trimEnd().split('\n').slice(0, 500)
  const fields = {
    id: int64('$.id'),
    title: text('$.doc.overview', { optional: true }),
    at: timestamp('$.ts', { unit: 's' }),
  }
  const { valid, rejected } = await parse(fields, ...lines.map((line) => record(line)))
  expect(rejected).toBeNull()
  const documents = lines.map((line) => JSON.parse(line))
  expect(column(valid, 'id')).toEqual(documents.map(({ id }) => BigInt(id)))
  expect(column(valid, 'title')).toEqual(documents.map(({ doc }) => doc.overview ?? null))
})
