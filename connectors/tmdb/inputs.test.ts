import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { recordOf } from './envelope.ts'
import type { TmdbEvent } from './event.ts'
import { eventOf, type InputProblem, readEvents } from './inputs.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-inputs-'))
afterAll(() => rmSync(dir, { recursive: true }))

const nowMs = Date.UTC(2026, 6, 1)

function file(name: string, content: string | Uint8Array): string {
  const path = join(dir, name)
  writeFileSync(path, content)
  return path
}

async function read(...files: readonly string[]): Promise<{ events: TmdbEvent[]; problems: InputProblem[] }> {
  const problems: InputProblem[] = []
  const events: TmdbEvent[] = []
  for await (const event of readEvents({ files, nowMs, onProblem: (problem) => problems.push(problem) }))
    events.push(event)
  return { events, problems }
}

const payloadOf = (event: TmdbEvent | string): string => {
  if (typeof event === 'string') throw new Error(event)
  return Buffer.from(recordOf(event).value!).toString()
}

test('a change history becomes new, change and a tombstone, as of its own times', async () => {
  const doc = { id: 550, title: 'The Quiet Harbour', overview: 'ä "quoted" \\ text' }
  const path = file(
    'history.jsonl',
    [
      { ts: 1784011541, seq: 0, op: 'A', type: 'movie', id: 550, changed: null, doc },
      { ts: 1784011542.5, seq: 1, op: 'M', type: 'tv_series', id: 550, changed: ['name'], doc },
      { ts: 1784011543, seq: 2, op: 'D', type: 'person', id: 551 },
    ]
      .map((line) => JSON.stringify(line))
      .join('\r\n'),
  )
  const { events, problems } = await read(path)
  expect(problems).toEqual([])
  expect(events).toEqual([
    { timestampMs: 1784011541000, op: 'A', label: 'new', type: 'movie', id: 550n, doc },
    { timestampMs: 1784011542500, op: 'M', label: 'change', type: 'tv_series', id: 550n, doc },
    { timestampMs: 1784011543000, op: 'D', type: 'person', id: 551n },
  ])
  expect(payloadOf(events[0]!)).toBe(
    `{"id":550,"type":"movie","label":"new","timestamp":"2026-07-14T06:45:41Z","doc":${JSON.stringify(doc)}}`,
  )
  const tombstone = recordOf(events[2]!)
  expect({ ...tombstone, key: Buffer.from(tombstone.key).toString() }).toEqual({
    topic: 'tmdb.people',
    key: '551',
    value: null,
    timestampMs: 1784011543000,
  })
})

test('documents are told apart by their fields, and labelled old', () => {
  const typeOf = (doc: object) => {
    const event = eventOf(JSON.stringify({ id: 7, ...doc }), nowMs)
    return typeof event === 'string' ? event : event.type
  }
  expect(typeOf({ title: 'x', original_title: 'x', release_date: '' })).toBe('movie')
  expect(typeOf({ name: 'x', original_name: 'x', first_air_date: '1999-01-01', type: 'Scripted' })).toBe('tv_series')
  expect(typeOf({ name: 'x', original_name: 'x', gender: 1, known_for_department: 'Acting' })).toBe('person')
  expect(typeOf({ name: 'x', profile_path: null })).toBe('person')
  expect(typeOf({ original_name: 'x', popularity: 2 })).toBe('tv_series')
  expect(typeOf({ rating: 5 })).toContain('neither a TMDB document')
  expect(eventOf('{"id":7,"title":"x"}', nowMs)).toMatchObject({ label: 'old', op: 'A', timestampMs: nowMs })
})

test.each([
  ['is a collection (it has parts)', { name: 'C', original_name: 'C', overview: 'c', parts: [] }],
  ['is a season or episode (it has season_number)', { name: 'Season 1', season_number: 1, networks: [], episodes: [] }],
  ['is a list (it has item_count)', { name: 'My list', created_by: [], items: [], item_count: 0 }],
  ['is a company or network (it has headquarters)', { name: 'Works', headquarters: '', origin_country: 'DE' }],
  ['is of media_type "collection"', { title: 'C', original_title: 'C', media_type: 'collection', overview: 'c' }],
  ['is of media_type "tv_episode"', { name: 'Pilot', media_type: 'tv_episode', overview: 'c' }],
  ['is neither a TMDB document', { name: 'sea' }],
  ['is neither a TMDB document', { name: 'C', original_name: 'C', overview: 'c', poster_path: null }],
])('what is no movie, series or person is said to be none: %s', (problem, doc) => {
  expect(eventOf(JSON.stringify({ id: 7, ...doc }), nowMs)).toContain(problem)
})

test('a search hit is what its media type says', () => {
  const hit = (media_type: string, more: object) => eventOf(JSON.stringify({ id: 7, media_type, ...more }), nowMs)
  expect(hit('tv', { name: 'x', original_name: 'x', overview: '' })).toMatchObject({ type: 'tv_series' })
  expect(hit('person', { name: 'x', original_name: 'x', known_for: [] })).toMatchObject({ type: 'person' })
  expect(hit('movie', { title: 'x' })).toMatchObject({ type: 'movie' })
})

test('a line and its document have one id', () => {
  const line = (doc: object) => eventOf(JSON.stringify({ ts: 1, op: 'A', type: 'movie', id: 5, doc }), nowMs)
  expect(line({ id: 7, title: 'x' })).toBe('doc is of id 7, the line of id 5')
  expect(line({ id: '5', title: 'x' })).toBe('doc is of id "5", the line of id 5')
  expect(line({ id: 5, title: 'x' })).toMatchObject({ id: 5n })
  expect(line({ title: 'x' })).toMatchObject({ id: 5n })
})

test('records of the original platform become documents with credits', () => {
  const movie = {
    movie_id: 11,
    movie_detail: { id: 11, title: 'A Bridge', release_date: '' },
    casts_info: [
      { person_id: 2, known_for_department: 'Acting', cast_id: 3, character: 'Ada', credit_id: 'c1' },
      { person_id: 4, known_for_department: 'Acting', cast_id: 5, character: 'Bo', credit_id: 'c2' },
    ],
    crews_info: [{ person_id: 1, known_for_department: 'Directing', department: 'Directing', job: 'Director' }],
  }
  expect(eventOf(JSON.stringify(movie), nowMs)).toEqual({
    timestampMs: nowMs,
    op: 'A',
    label: 'old',
    type: 'movie',
    id: 11n,
    doc: {
      ...movie.movie_detail,
      credits: {
        cast: [
          { id: 2, known_for_department: 'Acting', cast_id: 3, character: 'Ada', credit_id: 'c1', order: 0 },
          { id: 4, known_for_department: 'Acting', cast_id: 5, character: 'Bo', credit_id: 'c2', order: 1 },
        ],
        crew: [{ id: 1, known_for_department: 'Directing', department: 'Directing', job: 'Director' }],
      },
    },
  })
  const series = { tv_series_id: 5, tv_series_detail: { id: 5, name: 'S' }, casts_info: [], crews_info: [] }
  expect(
    eventOf(JSON.stringify({ ...series, data_label: 'change', timestamp: '2026-01-02T03:04:05Z' }), nowMs),
  ).toEqual({
    timestampMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    op: 'M',
    label: 'change',
    type: 'tv_series',
    id: 5n,
    doc: { id: 5, name: 'S', credits: { cast: [], crew: [] } },
  })
  const person = { person_id: 9, person_detail: { id: 9, name: 'P', biography: '' } }
  expect(eventOf(JSON.stringify(person), nowMs)).toMatchObject({ type: 'person', id: 9n, doc: person.person_detail })
})

test('a record of something that TMDB no longer has is a deletion', () => {
  const gone = { success: false, status_code: 34, status_message: 'The resource you requested could not be found.' }
  const record = { movie_id: 11, movie_detail: gone, casts_info: [], crews_info: [] }
  expect(eventOf(JSON.stringify(record), nowMs)).toEqual({ timestampMs: nowMs, op: 'D', type: 'movie', id: 11n })
})

test('every line that is not understood is reported with file and line, and the others are read', async () => {
  const lines = [
    '{"id":1,"title":"good"}',
    '',
    '{"id":1,"title":',
    '[1]',
    '{"id":"one","title":"x"}',
    '{"id":1.5,"title":"x"}',
    '{"ts":"soon","op":"A","type":"movie","id":1,"doc":{}}',
    '{"ts":1,"op":"X","type":"movie","id":1,"doc":{}}',
    '{"ts":1,"op":"A","type":"book","id":1,"doc":{}}',
    '{"ts":1,"op":"M","type":"movie","id":1,"doc":null}',
    '{"movie_id":1,"movie_detail":{"id":2}}',
    '{"person_id":1,"person_detail":null}',
    '{"movie_id":1,"movie_detail":{"success":false,"status_code":7,"status_message":"Invalid API key"}}',
    '{"movie_id":1,"movie_detail":{"id":1},"casts_info":"none"}',
    '{"movie_id":1,"movie_detail":{"id":1},"data_label":"newish"}',
    '{"movie_id":1,"movie_detail":{"id":1},"timestamp":"2026-01-02"}',
  ]
  const bytes = Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a])])
  const path = file('mixed.jsonl', Buffer.concat([bytes, Buffer.from('{"id":2,"name":"last","gender":1}')]))
  const { events, problems } = await read(path)
  expect(events.map((event) => event.id)).toEqual([1n, 2n])
  expect(problems.map((problem) => [problem.file, problem.line])).toEqual(
    Array.from({ length: 15 }, (_, i) => [path, i + 3]),
  )
  expect(problems.map((problem) => problem.message)).toEqual([
    expect.stringMatching(/^is not JSON: /),
    'is not a JSON object',
    'id is not a whole number of 64 bits: "one"',
    'id is not a whole number of 64 bits: 1.5',
    'ts is not a time in seconds: "soon"',
    'op is not one of A, M, D: "X"',
    'type is not one of movie, tv_series, person: "book"',
    'doc is no document: null',
    'movie_detail is of id 2, the record of movie_id 1',
    'person_detail is no document: null',
    "movie_detail is TMDB's error 7: Invalid API key",
    'casts_info is not a list of objects',
    'data_label is not one of old, new, change: "newish"',
    'timestamp is not ISO 8601 text with a zone: "2026-01-02"',
    'is not UTF-8',
  ])
})

test('whole numbers past 2^53 arrive with all their digits', () => {
  const text = '{"id":9007199254740993,"title":"x","revenue":12345678901234567890,"score":1.5,"code":"1e999"}'
  const event = eventOf(text, nowMs)
  expect(event).toMatchObject({ id: 9007199254740993n })
  expect(payloadOf(event)).toContain(`"id":9007199254740993,"type"`)
  expect(payloadOf(event)).toContain(`"doc":${text}`)
  expect(eventOf('{"id":9223372036854775808,"title":"x"}', nowMs)).toContain('id is not a whole number of 64 bits')
})

test('gzip is recognised by its bytes, also in several members and whatever the chunks', async () => {
  const line = (id: number) => `${JSON.stringify({ id, title: 'x'.repeat(3000) })}\n`
  const all = Array.from({ length: 400 }, (_, i) => line(i))
  const members = Buffer.concat([gzipSync(all.slice(0, 150).join('')), gzipSync(all.slice(150).join(''))])
  const zipped = await read(file('zipped', members))
  expect(zipped.events.map((event) => Number(event.id))).toEqual(all.map((_, i) => i))
  const plain = await read(file('plain.gz', all.join('')))
  expect(plain.events).toEqual(zipped.events)
  expect(await read(file('empty.jsonl', ''))).toEqual({ events: [], problems: [] })
})

test('a file that is cut short is named with the line where it ends, after its whole lines were read', async () => {
  const zipped = gzipSync(
    Array.from({ length: 3000 }, (_, i) => `{"id":${i},"title":"${'abc'.repeat(i % 50)}"}\n`).join(''),
  )
  const path = file('cut.jsonl.gz', zipped.subarray(0, zipped.length - 20))
  const events: TmdbEvent[] = []
  const reading = async () => {
    for await (const event of readEvents({ files: [path], nowMs, onProblem: () => {} })) events.push(event)
  }
  await expect(reading()).rejects.toMatchObject({
    code: 'SOURCE_READ_FAILED',
    message: expect.stringMatching(/cut\.jsonl\.gz: reading stopped after line \d+: unexpected end of file/),
  })
  expect(events.length).toBeGreaterThan(0)
})

test('all files that cannot be read are named before anything is read', async () => {
  const good = file('good.jsonl', '{"id":1,"title":"x"}')
  const missing = join(dir, 'missing.jsonl')
  await expect(read(good, missing, dir)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: [expect.stringContaining('missing.jsonl: cannot be read'), `${dir}: is a folder (name its files)`],
  })
})

const real = resolve(import.meta.dirname, '../../../shared/data/tmdb')

test.skipIf(!existsSync(real))('real files are understood line by line (skipped where they are absent)', async () => {
  const { events, problems } = await read(join(real, 'history.jsonl.gz'), join(real, 'tv.jsonl.gz'))
  expect(problems).toEqual([])
  expect(events.filter((event) => event.op === 'M')).toHaveLength(2634)
  expect(events.slice(4388).map((event) => event.type)).toEqual(Array.from({ length: 956 }, () => 'tv_series'))
})
