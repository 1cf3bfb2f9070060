import { expect, test } from 'vitest'
import type { TmdbDocument, TmdbEvent } from './event.ts'
import { generateHistory } from './generator.ts'

type Row = Readonly<Record<string, unknown>>

const titles = 1500
const history = [...generateHistory({ seed: 7, titles })]
const versioned = (event: TmdbEvent): event is Extract<TmdbEvent, { op: 'A' | 'M' }> => event.op !== 'D'
const titleVersions = history.filter(versioned).filter((event) => event.type !== 'person')
const firstVersions = titleVersions.filter((event) => event.op === 'A')
const credits = (doc: TmdbDocument): { cast: readonly Row[]; crew: readonly Row[] } =>
  doc.credits as { cast: readonly Row[]; crew: readonly Row[] }
const dateOf = (doc: TmdbDocument): unknown => doc.release_date ?? doc.first_air_date
const fractionOf = (part: number, all: number): number => part / all

test('the same seed gives the same history, another seed another one', () => {
  const text = (seed: number) =>
    JSON.stringify([...generateHistory({ seed, titles: 40 })].map((event) => ({ ...event, id: String(event.id) })))
  expect(text(3)).toBe(text(3))
  expect(text(3)).not.toBe(text(4))
})

test('a history is lazy: its beginning costs nothing of the rest', () => {
  const start = generateHistory({ seed: 1, titles: 2_000_000 })
  expect(start.next().value).toMatchObject({ op: 'A', label: 'old' })
})

test('the smallest catalogues have histories too', () => {
  for (const [titles, people] of [
    [1, 1],
    [2, 1],
    [3, 12],
  ] as const) {
    const events = [...generateHistory({ seed: 9, titles, people, changesPerTitle: 10 })]
    expect(events.filter((event) => event.op === 'A')).toHaveLength(titles + people)
  }
})

test('every document is first added, then changed, and not heard of again once deleted', () => {
  const state = new Map<string, 'there' | 'gone'>()
  let before = 0
  for (const { type, id, op, timestampMs } of history) {
    const key = `${type} ${id}`
    expect(state.get(key), key).toBe(op === 'A' ? undefined : 'there')
    state.set(key, op === 'D' ? 'gone' : 'there')
    expect(timestampMs).toBeGreaterThanOrEqual(before)
    expect(timestampMs % 1000).toBe(0)
    before = timestampMs
  }
  expect(firstVersions).toHaveLength(titles)
  expect(state.size).toBe(titles * 5)
  expect([...state.values()].filter((each) => each === 'gone')).toHaveLength(9 + 12)
})

test('ids of different types overlap, ids of one type do not', () => {
  const idsOf = (type: string) => firstVersions.filter((event) => event.type === type).map((event) => event.id)
  const movies = new Set(idsOf('movie'))
  expect(idsOf('tv_series').filter((id) => movies.has(id)).length).toBeGreaterThan(10)
  for (const event of history.filter(versioned)) expect(BigInt(event.doc.id as number)).toBe(event.id)
})

test('dates are dirty the way that real ones are', () => {
  const dates = firstVersions.map(({ doc }) => String(dateOf(doc)))
  const share = (test: (date: string) => boolean) => fractionOf(dates.filter(test).length, dates.length)
  expect(share((date) => date !== '' && date < '1970')).toBeGreaterThan(0.06)
  expect(share((date) => date !== '' && date < '1970')).toBeLessThan(0.11)
  expect(dates.some((date) => date !== '' && date < '1900')).toBe(true)
  expect(share((date) => date === '')).toBeGreaterThan(0.004)
  for (const date of dates) expect(date).toMatch(/^(|\d{4}-\d{2}-\d{2})$/)
})

test('few people have many credits', () => {
  const counts = new Map<unknown, number>()
  for (const { doc } of firstVersions)
    for (const { id } of [...credits(doc).cast, ...credits(doc).crew]) counts.set(id, (counts.get(id) ?? 0) + 1)
  const sorted = [...counts.values()].sort((a, b) => b - a)
  const all = sorted.reduce((sum, count) => sum + count, 0)
  const top = (part: number) => sorted.slice(0, Math.ceil(titles * 4 * part)).reduce((sum, count) => sum + count, 0)
  expect(fractionOf(top(0.01), all)).toBeGreaterThan(0.04)
  expect(fractionOf(top(0.1), all)).toBeGreaterThan(0.3)
  expect(fractionOf(top(0.1), all)).toBeLessThan(0.6)
})

test('credits have the traps of real ones: several roles in one title, ids only where TMDB has them', () => {
  const ids = new Set<unknown>()
  let rows = 0
  let pairs = 0
  for (const { type, doc } of firstVersions) {
    const { cast, crew } = credits(doc)
    expect(cast.length).toBeGreaterThan(1)
    if (type === 'tv_series') expect(cast.some((row) => 'cast_id' in row)).toBe(false)
    for (const row of [...cast, ...crew]) {
      if (row.credit_id === undefined) continue
      expect(ids.has(row.credit_id)).toBe(false)
      ids.add(row.credit_id)
    }
    rows += crew.length
    pairs += new Set(crew.map((row) => row.id)).size
  }
  expect(fractionOf(rows - pairs, rows)).toBeGreaterThan(0.04)
  expect(fractionOf(rows - pairs, rows)).toBeLessThan(0.1)
})

test('aggregate credits hold every credit of a series, one entry a person', () => {
  const aggregated = firstVersions.filter(({ doc }) => doc.aggregate_credits !== undefined)
  expect(aggregated.length).toBeGreaterThan(50)
  for (const { doc } of aggregated) {
    const { cast } = doc.aggregate_credits as { cast: readonly (Row & { roles: readonly Row[] })[] }
    expect(new Set(cast.map((row) => row.id)).size).toBe(cast.length)
    expect(cast.flatMap((row) => row.roles.map((role) => role.character)).sort()).toEqual(
      credits(doc)
        .cast.map((row) => row.character)
        .sort(),
    )
  }
})

test('keywords, collections and genres have the shapes of their type', () => {
  const collections = new Set<unknown>()
  for (const { type, doc } of firstVersions) {
    if (type === 'movie')
      collections.add(doc.belongs_to_collection === null ? 'null' : typeof doc.belongs_to_collection)
    const keywords = doc.keywords as Row
    expect(Object.keys(keywords)).toEqual([type === 'movie' ? 'keywords' : 'results'])
    expect((doc.genres as readonly Row[]).length).toBeGreaterThan(0)
  }
  expect(collections).toEqual(new Set(['null', 'object']))
})

test('what changes between two versions has the shares of real histories', () => {
  const shares = { onlyVotes: 0, texts: 0, creditBytes: 0, creditIdentities: 0, nothing: 0 }
  const versions = new Map<string, TmdbDocument>()
  const json = JSON.stringify
  const identities = (doc: TmdbDocument) =>
    json(
      [...credits(doc).cast, ...credits(doc).crew]
        .map((row) => json([row.id, row.credit_id, row.department, row.job, row.character]))
        .sort(),
    )
  let updates = 0
  for (const { type, id, doc } of titleVersions) {
    const key = `${type} ${id}`
    const old = versions.get(key)
    versions.set(key, doc)
    if (old === undefined) continue
    updates += 1
    const changed = Object.keys(doc).filter((field) => json(doc[field]) !== json(old[field]))
    const votes = ['popularity', 'vote_average', 'vote_count']
    if (changed.length === 0) shares.nothing += 1
    if (changed.every((field) => votes.includes(field))) shares.onlyVotes += 1
    if (changed.some((field) => ['overview', 'title', 'name', 'genres', 'tagline'].includes(field))) shares.texts += 1
    if (changed.includes('credits')) shares.creditBytes += 1
    if (identities(old) !== identities(doc)) shares.creditIdentities += 1
  }
  expect(updates).toBe(Math.round(titles * 2.1))
  expect(shares.nothing).toBe(0)
  expect(fractionOf(shares.onlyVotes, updates)).toBeCloseTo(0.456, 1)
  expect(fractionOf(shares.texts, updates)).toBeLessThan(0.07)
  expect(fractionOf(shares.texts, updates)).toBeGreaterThan(0.035)
  expect(fractionOf(shares.creditBytes, updates)).toBeCloseTo(0.374, 1)
  expect(fractionOf(shares.creditIdentities, updates)).toBeGreaterThan(0.06)
  expect(fractionOf(shares.creditIdentities, updates)).toBeLessThan(0.11)
})

test('certification appears part of the way through', () => {
  const has = titleVersions.map(({ doc }) => 'certification' in doc)
  const first = has.indexOf(true)
  expect(first).toBeGreaterThan(has.length * 0.4)
  expect(has.slice(0, first)).not.toContain(true)
  expect(has.slice(first)).toContain(false)
})

test('people arrive before and after their titles', () => {
  const arrival = new Map(
    history.filter((event) => event.op === 'A').map((event, i) => [`${event.type} ${event.id}`, i]),
  )
  const later = { yes: 0, no: 0 }
  for (const { type, id, doc } of firstVersions)
    for (const row of credits(doc).cast) {
      const person = arrival.get(`person ${row.id}`)!
      later[person > arrival.get(`${type} ${id}`)! ? 'yes' : 'no'] += 1
    }
  expect(later.yes).toBeGreaterThan(1000)
  expect(later.no).toBeGreaterThan(1000)
})

test('credits name people as their own documents do', () => {
  const names = new Map(
    history.filter(versioned).flatMap((event) => (event.type === 'person' ? [[event.doc.id, event.doc.name]] : [])),
  )
  for (const { doc } of firstVersions.slice(0, 200))
    for (const row of credits(doc).cast) expect(row.name).toBe(names.get(row.id))
})
