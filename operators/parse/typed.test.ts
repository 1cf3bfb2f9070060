import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as o from '../index.ts'
import { type Bench, openBench } from '../relational/bench.testing.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench.close())

const bronze = {
  topic: 'string',
  partition: 'integer',
  offset: 'long',
  key: 'binary',
  value: 'binary',
  id: 'long',
} as const

function records(...values: readonly (string | Uint8Array | null)[]) {
  const bytes = (value: string | Uint8Array | null) => (typeof value === 'string' ? Buffer.from(value) : value)
  return { columns: bronze, rows: values.map((value, i) => ['t', 0, i, Buffer.from(`k${i}`), bytes(value), i]) }
}

const movie = o.parse('parse', {
  from: 'value',
  path: '$.doc',
  keep: ['id'],
  columns: {
    title: 'string',
    votes: 'long',
    popularity: 'double',
    adult: 'boolean',
    release_date: o.date(),
    genres: o.arrayOf(o.structOf({ id: 'long', name: 'string' })),
    belongs_to_collection: o.structOf({ id: 'long', name: 'string' }),
  },
})

const nothing = {
  title: null,
  votes: null,
  popularity: null,
  adult: null,
  release_date: null,
  genres: null,
  belongs_to_collection: null,
}

test('fields become typed columns; what is missing or null is null, what is unknown is ignored', async () => {
  const full =
    '{"doc":{"title":"a\\u00e9\\ud83d\\ude00","votes":9007199254740993,"popularity":3,"adult":false,"release_date":"1874-12-09","genres":[{"id":1,"name":"x","more":0},null],"belongs_to_collection":{"id":5},"extra":{}},"op":"A"}'
  const { rows } = await bench.run(
    [movie],
    records(full, '{"doc":{}}', '{"doc":{"title":null,"release_date":"","genres":[]}}', null),
  )
  expect(rows).toEqual([
    {
      id: 0n,
      title: 'aé\u{1f600}',
      votes: 9007199254740993n,
      popularity: 3,
      adult: false,
      release_date: new Date('1874-12-09'),
      genres: [{ id: 1n, name: 'x' }, null],
      belongs_to_collection: { id: 5n, name: null },
    },
    { id: 1n, ...nothing },
    { id: 2n, ...nothing, genres: [] },
    { id: 3n, ...nothing },
  ])
})

test('what is no document of the declared shape is rejected with its record, and stops nothing', async () => {
  const bad = [
    '{"doc":{"title":"a"}}',
    '{"doc":{"title":"a"}',
    '',
    Buffer.from([0x7b, 0xff, 0x7d]),
    '[1]',
    '{"doc":[1]}',
    'null',
    '{"doc":{"title":5,"votes":"12","popularity":"1.5","adult":1}}',
    '{"doc":{"votes":1.5,"genres":{},"belongs_to_collection":""}}',
    '{"doc":{"votes":9223372036854775808}}',
    '{"doc":{"release_date":"2020-02-30"}}',
    '{"doc":{"release_date":"2020-2-3"}}',
    '{"doc":{"release_date":" "}}',
  ]
  const { rows, output } = await bench.run([movie], records(...bad))
  expect(rows.length).toBe(1)
  const rejected = (await output('parse.rejected')).sort((a, b) => Number(a.offset) - Number(b.offset))
  expect(rejected.map((r) => [Number(r.offset), r.code, r.message])).toEqual([
    [1, 'TRUNCATED', 'value ends in the middle of the document (byte 20)'],
    [2, 'EMPTY', 'value is empty'],
    [3, 'NOT_JSON', 'value is not JSON: found 0x ff 7d (byte 1)'],
    [4, 'NOT_AN_OBJECT', '$.doc is not an object: nothing'],
    [5, 'NOT_AN_OBJECT', '$.doc is not an object: a list'],
    [6, 'NOT_AN_OBJECT', '$.doc is not an object: nothing'],
    [
      7,
      'WRONG_TYPE',
      'field title: wanted string, found an integer; field votes: wanted long, found text; field popularity: wanted double, found text; field adult: wanted boolean, found an integer',
    ],
    [
      8,
      'WRONG_TYPE',
      'field votes: wanted long, found a number that is no 64-bit integer; field genres: wanted array<struct<id: long, name: string>>, found an object; field belongs_to_collection: wanted struct<id: long, name: string>, found text',
    ],
    [9, 'WRONG_TYPE', 'field votes: wanted long, found an integer that does not fit'],
    [10, 'WRONG_TYPE', 'field release_date: wanted a date (YYYY-MM-DD, or empty), found "2020-02-30"'],
    [11, 'WRONG_TYPE', 'field release_date: wanted a date (YYYY-MM-DD, or empty), found "2020-2-3"'],
    [12, 'WRONG_TYPE', 'field release_date: wanted a date (YYYY-MM-DD, or empty), found " "'],
  ])
  expect(rejected[0]).toMatchObject({
    pipeline: 'test',
    step: 'parse',
    topic: 't',
    partition: 0,
    timestamp: null,
    headers: null,
  })
  expect(Buffer.from(rejected[0]!.value as Uint8Array).toString()).toBe(bad[1])
  expect(Buffer.from(rejected[0]!.key as Uint8Array).toString()).toBe('k1')
})

test('a tombstone is rejected where none is expected', async () => {
  const step = o.parse('p', { from: 'value', columns: { a: 'long' }, tombstone: 'reject' })
  const { rows, output } = await bench.run([step], records('{"a":1}', null))
  expect(rows).toEqual([{ a: 1n }])
  expect((await output('p.rejected')).map((r) => r.code)).toEqual(['TOMBSTONE_UNEXPECTED'])
})

test('timestamps are ISO 8601', async () => {
  const step = o.parse('p', { from: 'value', keep: ['offset'], columns: { at: 'timestamp', n: 'long' } })
  const good = ['2020-01-02T03:04:05.678901Z', '2020-01-02 05:04:05.678901+02:00', '2020-01-02T03:04:05.678901']
  const bad = ['2020-01-02', 'epoch', 'infinity', '2020-13-01T00:00:00Z', '1577934245']
  const values = [...good, ...bad].map((at) => `{"at":${JSON.stringify(at)},"n":1}`)
  const { rows, output } = await bench.run(
    [step, o.derive('d', { at: o.epochMicros(o.col('at')) })],
    records(...values),
  )
  expect(rows).toEqual(good.map((_at, i) => ({ offset: BigInt(i), at: 1577934245678901n, n: 1n })))
  expect((await output('p.rejected')).length).toBe(bad.length)
})

test('field names full of metacharacters are data', async () => {
  const name = `a/b~1"c'$.[0]é`
  const step = o.parse('p', { from: 'value', path: "$['o /~.']", columns: { [name]: 'string', 0: 'long' } })
  const { rows, output } = await bench.run(
    [step],
    records(JSON.stringify({ 'o /~.': { [name]: 'x', 0: 3 } }), JSON.stringify({ 'o /~.': { [name]: 3 } })),
  )
  expect(rows).toEqual([{ 0: 3n, [name]: 'x' }])
  expect((await output('p.rejected')).length).toBe(1)
})

const lists = o.parse('p', {
  from: 'value',
  columns: {
    long: 'long',
    byte: 'byte',
    double: 'double',
    float: 'float',
    decimal: { kind: 'decimal', precision: 20, scale: 4 },
    date: o.date(),
    at: 'timestamp',
    text: 'string',
    genres: o.arrayOf(o.structOf({ id: 'long', name: 'string', born: o.date() })),
    ids: o.arrayOf('long'),
    names: { kind: 'map', key: 'string', value: 'string' },
  },
})

test.each([
  ['{"double":NaN}', 'NOT_JSON', 'NaN and infinities are no numbers of JSON'],
  ['{"unknown":-Infinity}', 'NOT_JSON', 'NaN and infinities are no numbers of JSON'],
  ['{"long":5,}', 'NOT_JSON', 'a comma stands behind the last value'],
  ['{"ids":[1,]}', 'NOT_JSON', 'a comma stands behind the last value'],
  ["{'long':5}", 'NOT_JSON', 'texts stand in double quotes'],
  ['\ufeff{"long":5}', 'NOT_JSON', 'begins with a UTF-8 byte order mark'],
  ['{"unknown":"cut \\ud83d"}', 'INVALID_UTF8', 'value holds half of a surrogate pair: \\ud83d (byte 16)'],
  ['{"\\udc00":1}', 'INVALID_UTF8', 'value holds half of a surrogate pair: \\udc00 (byte 2)'],
  ['{"double":1e400}', 'WRONG_TYPE', 'field double: wanted double, found 1e400, which does not fit'],
  ['{"float":1e39}', 'WRONG_TYPE', 'field float: wanted float, found 1e39, which does not fit'],
  ['{"byte":128}', 'WRONG_TYPE', 'field byte: wanted byte, found an integer that does not fit'],
  ['{"decimal":12345678901234567}', 'WRONG_TYPE', 'wanted decimal(20,4), found 12345678901234567, which does not fit'],
  ['{"decimal":0.30005}', 'WRONG_TYPE', 'found 0.30005, which does not fit'],
  ['{"decimal":1e999999999}', 'WRONG_TYPE', 'found 1e999999999, which does not fit'],
  ['{"decimal":"1.5"}', 'WRONG_TYPE', 'field decimal: wanted decimal(20,4), found text'],
  ['{"long":1,"long":2}', 'DUPLICATE_FIELD', 'field long stands twice'],
  ['{"genres":[{"id":1,"\\u0069d":2}]}', 'DUPLICATE_FIELD', 'field genres[].id stands twice'],
  ['{"names":{"a":"x","\\u0061":"y"}}', 'DUPLICATE_FIELD', 'field names has the name "\\u0061" twice'],
  ['{"names":{"a":1}}', 'WRONG_TYPE', 'field names{}: wanted string, found an integer'],
  ['{"genres":[{"id":"77"}]}', 'WRONG_TYPE', 'field genres[].id: wanted long, found text'],
  [
    '{"genres":["Action"]}',
    'WRONG_TYPE',
    'field genres[]: wanted struct<id: long, name: string, born: date>, found text',
  ],
  ['{"genres":[{"name":7}]}', 'WRONG_TYPE', 'field genres[].name: wanted string, found an integer'],
  [
    '{"genres":[{"born":"2020-02-30"}]}',
    'WRONG_TYPE',
    'field genres[].born: wanted a date (YYYY-MM-DD, or empty), found "2020-02-30"',
  ],
  ['{"genres":{}}', 'WRONG_TYPE', 'field genres: wanted array<'],
  ['{"ids":[1.5]}', 'WRONG_TYPE', 'field ids[]: wanted long, found a number that is no 64-bit integer'],
  ['{"text":{"a":1}}', 'WRONG_TYPE', 'field text: wanted string, found an object'],
])('%s is rejected as %s', async (document, code, message) => {
  const { rows, output } = await bench.run([lists], records(document, '{"long":1}'))
  expect(rows.length).toBe(1)
  const [rejected] = await output('p.rejected')
  expect(rejected).toMatchObject({ code, message: expect.stringContaining(message) })
})

test('decimals keep every digit, also inside lists, however they are written', async () => {
  const amount = { kind: 'decimal', precision: 20, scale: 4 } as const
  const step = o.parse('p', { from: 'value', columns: { a: amount, list: o.arrayOf(o.structOf({ a: amount })) } })
  const texts = o.derive('texts', {
    a: o.cast(o.col('a'), 'string'),
    list: o.mapList(o.col('list'), (x) => o.cast(o.field(x, 'a'), 'string')),
  })
  const written = [
    '1234567890123456.7891',
    '-99999999999999.9999',
    '0.1',
    '1.50000',
    '12e-1',
    '-0',
    '123456789012345',
    '5E+3',
  ]
  const exact = [
    '1234567890123456.7891',
    '-99999999999999.9999',
    '0.1000',
    '1.5000',
    '1.2000',
    '0.0000',
    '123456789012345.0000',
    '5000.0000',
  ]
  const { rows, output } = await bench.run(
    [step, texts],
    records(...written.map((text) => `{"a":${text},"list":[{"a":${text}},null]}`)),
  )
  expect(await output('p.rejected')).toEqual([])
  expect(new Set(rows.map((row) => JSON.stringify(row)))).toEqual(
    new Set(exact.map((a) => JSON.stringify({ a, list: [a, null] }))),
  )
})

test('a value that may be null where it is not as declared drops no document, and its row is counted', async () => {
  const step = o.parse('p', {
    from: 'value',
    keep: ['offset'],
    columns: {
      id: 'long',
      birthday: o.date(),
      cast: o.arrayOf(o.structOf({ id: 'long', order: 'long' })),
      crew: o.arrayOf(o.structOf({ id: 'long' })),
    },
    onInvalid: { birthday: 'null', 'cast[].order': 'null', crew: 'null', 'crew[].id': 'reject' },
  })
  const documents = [
    '{"id":1,"birthday":"about 1874","cast":[{"id":1,"order":"x"},{"id":2,"order":3}]}',
    '{"id":2,"birthday":"1874-12-09","crew":[1,{"id":5}]}',
    '{"id":3,"crew":[{"id":"x"}]}',
    '{"id":"4","birthday":5}',
    '{"id":5}',
  ]
  const { rows, result, output } = await bench.run([step], records(...documents))
  expect(rows).toEqual([
    {
      offset: 0n,
      id: 1n,
      birthday: null,
      cast: [
        { id: 1n, order: null },
        { id: 2n, order: 3n },
      ],
      crew: null,
    },
    { offset: 1n, id: 2n, birthday: new Date('1874-12-09'), cast: null, crew: null },
    { offset: 4n, id: 5n, birthday: null, cast: null, crew: null },
  ])
  expect((await output('p.rejected')).map(({ offset }) => offset)).toEqual([2n, 3n])
  expect(result.violations).toEqual(new Map([['p', 2]]))
})

test('contracts for fields that are not read, and columns that JSON has no values for, are refused', async () => {
  const step = o.parse('p', {
    from: 'value',
    columns: { a: o.arrayOf(o.structOf({ b: 'binary' })), m: { kind: 'map', key: 'long', value: 'long' } },
    onInvalid: { 'a.b': 'null' },
  })
  const failure = await bench.run([step], records('{}')).catch((error: Error) => error.message)
  expect(failure).toContain('onInvalid: unknown field a.b (there are: a, a[], a[].b, m, m{})')
  expect(failure).toContain('column a[].b: JSON has no binary values')
  expect(failure).toContain("column m: names in JSON are text (declare the map's key as string)")
})

const history = join(import.meta.dirname, '../../../shared/data/tmdb/history.jsonl.gz')

test.skipIf(!existsSync(history))(
  'real documents give the values that JSON.parse gives (needs ../shared/data)',
  async () => {
    const lines = gunzipSync(readFileSync(history))
      .toString()
      .split('\n')
      .filter((line) => line.includes('"type":"movie"'))
      .slice(0, 400)
    const person = { id: 'long', name: 'string', profile_path: 'string' } as const
    const step = o.parse('p', {
      from: 'value',
      path: '$.doc',
      keep: ['offset'],
      columns: {
        id: 'long',
        title: 'string',
        overview: 'string',
        popularity: 'double',
        vote_count: 'integer',
        release_date: o.date(),
        genres: o.arrayOf(o.structOf({ id: 'long', name: 'string' })),
        belongs_to_collection: o.structOf({ id: 'long', name: 'string' }),
        credits: o.structOf({
          cast: o.arrayOf(o.structOf({ ...person, character: 'string', order: 'long' })),
          crew: o.arrayOf(o.structOf({ ...person, department: 'string', job: 'string' })),
        }),
      },
    })
    const { rows } = await bench.run([step], records(...lines))
    expect(rows.length).toBe(lines.length)
    for (const row of rows) {
      const { doc } = JSON.parse(lines[Number(row.offset)]!)
      const { release_date, offset: _offset, ...others } = row
      expect(plain(release_date)).toBe(doc.release_date || null)
      for (const [name, value] of Object.entries(others)) expect(plain(value)).toEqual(shaped(doc[name], plain(value)))
    }
  },
)

/** The part of `source` that `like` has. */
function shaped(source: unknown, like: unknown): unknown {
  if (Array.isArray(source)) return source.map((part, i) => shaped(part, (like as unknown[] | null)?.[i]))
  if (typeof source !== 'object' || source === null || typeof like !== 'object' || like === null) return source ?? null
  return Object.fromEntries(
    Object.keys(like).map((name) => [
      name,
      shaped((source as Record<string, unknown>)[name], (like as Record<string, unknown>)[name]),
    ]),
  )
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Date) return value.toISOString().slice(0, 10)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
}
