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
    [1, 'NOT_JSON', 'value is not valid JSON'],
    [2, 'NOT_JSON', 'value is not valid JSON'],
    [3, 'NOT_JSON', 'value is not valid UTF-8'],
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

test('timestamps are ISO 8601, and of a field that appears twice the first counts', async () => {
  const step = o.parse('p', { from: 'value', keep: ['offset'], columns: { at: 'timestamp', n: 'long' } })
  const good = ['2020-01-02T03:04:05.678901Z', '2020-01-02 05:04:05.678901+02:00', '2020-01-02T03:04:05.678901']
  const bad = ['2020-01-02', 'epoch', 'infinity', '2020-13-01T00:00:00Z', '1577934245']
  const values = [...good, ...bad].map((at) => `{"at":${JSON.stringify(at)},"n":1,"n":"x"}`)
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
