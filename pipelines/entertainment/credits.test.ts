/** Which credits a title has, and by what one is told from another. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Row } from '../../engine/duckdb.ts'
import { type Bench, openBench } from '../../operators/relational/bench.testing.ts'
import { knowledgeGraph } from './graph.ts'
import type { Kind } from './kinds.ts'
import { behindSilver, type Document, recordOf, throughSilver } from './layers.testing.ts'
import { olapTables } from './olap.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench.close())

async function silverRows(kind: Kind, ...documents: readonly Document[]): Promise<readonly Row[]> {
  return (await throughSilver(bench, kind, documents.map(recordOf))).rows
}

async function silverRow(kind: Kind, document: Document): Promise<Row> {
  return (await silverRows(kind, document))[0]!
}

async function tables(kind: Kind, ...documents: readonly Document[]) {
  const given = { kind, documents, layer: olapTables }
  const [casts, crews] = await behindSilver(bench, given, ['casts', 'crews'])
  return { casts: casts!, crews: crews! }
}

async function relationships(kind: Kind, ...documents: readonly Document[]) {
  const given = { kind, documents, layer: knowledgeGraph }
  const [cast, crew] = await behindSilver(bench, given, ['cast', 'crew'])
  return { cast: cast!, crew: crew! }
}

const people = (rows: readonly Row[]) => rows.map(({ person_id }) => Number(person_id)).sort((a, b) => a - b)

describe('credits without an id of their own', () => {
  test('empty, blank or missing: each is one, told apart by person and role', async () => {
    const absent = ['', '  ', '\t', '\u3000', null, undefined]
    const documents = absent.map((credit_id, i) => ({
      id: i + 1,
      title: 'A',
      credits: {
        cast: [
          { id: 11, name: 'P', character: 'x', credit_id },
          { id: 12, name: 'Q', character: 'y', credit_id },
          { id: 12, name: 'Q', character: 'z', credit_id },
        ],
        crew: [
          { id: 14, name: 'S', job: 'Director', department: 'Directing', credit_id },
          { id: 14, name: 'S', job: 'Writer', department: 'Writing', credit_id },
        ],
      },
    }))
    const { casts, crews } = await tables('movies', ...documents)
    const { cast, crew } = await relationships('movies', ...documents)
    expect(casts.filter((row) => row.credit_id !== null)).toEqual([])
    for (const { id } of documents) {
      const of = (rows: readonly Row[]) => people(rows.filter((row) => row.title_id === BigInt(id)))
      expect([of(casts), of(crews), of(cast), of(crew)]).toEqual([
        [11, 12, 12],
        [14, 14],
        [11, 12, 12],
        [14, 14],
      ])
    }
  })

  test('an id of one title is not that of another', async () => {
    const credits = { cast: [{ id: 11, name: 'P', character: 'x', credit_id: '' }], crew: [] }
    const { casts } = await tables('movies', { id: 1, title: 'A', credits }, { id: 2, title: 'B', credits })
    expect(new Set(casts.map((row) => row.credit_key)).size).toBe(2)
  })

  test('guests whose person is 0 are no one person', async () => {
    const credits = {
      cast: [
        { id: 0, name: 'One Guest', character: 'a' },
        { id: 0, name: 'Another', character: 'b' },
      ],
      crew: [{ id: 0, name: 'Third', job: 'Gaffer', department: 'Lighting' }],
    }
    const { casts, crews } = await tables('movies', { id: 1, title: 'A', credits })
    expect([...casts, ...crews].map((row) => [row.person_id, row.person_name])).toEqual([
      [null, 'Another'],
      [null, 'One Guest'],
      [null, 'Third'],
    ])
    expect(await relationships('movies', { id: 1, title: 'A', credits })).toEqual({ cast: [], crew: [] })
  })

  test('one id in cast and in crew is a credit of each', async () => {
    const both = { id: 11, name: 'P', credit_id: 'c1' }
    const credits = {
      cast: [{ ...both, character: 'x' }],
      crew: [{ ...both, job: 'Director', department: 'Directing' }],
    }
    const { cast, crew } = await relationships('movies', { id: 1, title: 'A', credits })
    expect([people(cast), people(crew)]).toEqual([[11], [11]])
  })
})

const last = { id: 11, name: 'Last season', character: 'x', credit_id: 'c1', order: 0 }
const series = (more: object): Document => ({ id: 1, name: 'A', ...more })

describe('a series with both lists of credits', () => {
  test('has those of either, each once', async () => {
    const document = series({
      credits: { cast: [last], crew: [{ id: 21, name: 'W', credit_id: 'w1', department: 'Writing', job: 'Writer' }] },
      aggregate_credits: {
        cast: [
          { id: 11, name: 'Last season', order: 0, roles: [{ credit_id: 'c1', character: 'x', episode_count: 8 }] },
          { id: 12, name: 'First star', order: 1, roles: [{ credit_id: 'c2', character: 'y', episode_count: 60 }] },
        ],
        crew: [
          {
            id: 21,
            name: 'W',
            department: 'Writing',
            jobs: [
              { credit_id: 'w1', job: 'Writer', episode_count: 8 },
              { credit_id: 'w2', job: 'Story', episode_count: 1 },
            ],
          },
        ],
      },
    })
    const { credits } = (await silverRow('tv_series', document)) as { credits: Record<string, Row[]> }
    expect(credits.cast!.map((credit) => credit.credit_id)).toEqual(['c1', 'c2'])
    expect(credits.crew!.map((credit) => credit.credit_id)).toEqual(['w1', 'w2'])
    const { casts, crews } = await tables('tv_series', document)
    expect([people(casts), people(crews)]).toEqual([
      [11, 12],
      [21, 21],
    ])
    const { cast, crew } = await relationships('tv_series', document)
    expect([people(cast), people(crew)]).toEqual([
      [11, 12],
      [21, 21],
    ])
  })

  test('a credit that one list gives without its id stands once', async () => {
    const role = { character: 'x', episode_count: 8 }
    const aggregate = (credit_id: string | null) => ({
      cast: [{ id: 11, name: 'Last season', order: 0, roles: [{ ...role, credit_id }] }],
    })
    for (const [own, other] of [
      ['', 'c1'],
      ['c1', ''],
      ['', null],
    ] as const) {
      const document = series({
        credits: { cast: [{ ...last, credit_id: own }], crew: [] },
        aggregate_credits: aggregate(other),
      })
      expect((await tables('tv_series', document)).casts, `${own} and ${other}`).toHaveLength(1)
    }
  })

  test('what changed is credits, never how many episodes they have had', async () => {
    const document = (episode_count: number, ...more: readonly string[]) =>
      series({
        credits: { cast: [last], crew: [] },
        aggregate_credits: {
          cast: ['c1', 'c2', ...more].map((credit_id) => ({
            id: 11,
            name: 'Last season',
            total_episode_count: episode_count,
            roles: [{ credit_id, character: 'x', episode_count }],
          })),
        },
      })
    const fingerprint = async (made: Document) => (await silverRow('tv_series', made)).relationship_fingerprint
    const before = await fingerprint(document(8))
    expect(await fingerprint(document(9))).toBe(before)
    expect(await fingerprint(document(9, 'c3'))).not.toBe(before)
  })
})

describe('the order of lists', () => {
  const id = fc.constantFrom('c1', 'c2', 'c3', 'c4', '', ' ', null)
  const person = fc.record({ id: fc.constantFrom(0, 11, 12, null), name: fc.constantFrom('P', 'Q') })
  const cast = fc
    .tuple(person, id, fc.constantFrom('x', 'y'), fc.integer({ min: 0, max: 2 }))
    .map(([who, credit_id, character, order]) => ({ ...who, credit_id, character, order }))
  const crew = fc
    .tuple(person, id, fc.constantFrom('Director', 'Writer'))
    .map(([who, credit_id, job]) => ({ ...who, credit_id, job, department: 'Making' }))
  const aggregated = (list: 'roles' | 'jobs', what: 'character' | 'job') =>
    fc
      .tuple(person, fc.array(fc.tuple(id, fc.constantFrom('x', 'Director')), { maxLength: 3 }))
      .map(([who, roles]) => ({
        ...who,
        department: 'Making',
        order: 1,
        [list]: roles.map(([credit_id, role]) => ({ credit_id, [what]: role })),
      }))
  const few = { maxLength: 4 }
  const lists = fc.record({
    credits: fc.record({ cast: fc.array(cast, few), crew: fc.array(crew, few) }),
    aggregate_credits: fc.record({
      cast: fc.array(aggregated('roles', 'character'), few),
      crew: fc.array(aggregated('jobs', 'job'), few),
    }),
  })

  test('changes neither rows nor fingerprint', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(lists, { minLength: 40, maxLength: 40 }), fc.nat(1e6), async (given, seed) => {
        const document = (made: object, i: number): Document => ({ id: i + 1, name: 'A', ...made })
        const [left, right] = [given.map(document), given.map((made, i) => document(shuffled(made, seed + 1), i))]
        expect(await derived(right)).toEqual(await derived(left))
      }),
      { numRuns: 2, endOnFailure: true },
    )
  })
})

async function derived(documents: readonly Document[]) {
  const rows = await silverRows('tv_series', ...documents)
  return {
    fingerprints: rows.map((row) => [row.id, row.relationship_fingerprint]),
    tables: await tables('tv_series', ...documents),
    graph: await relationships('tv_series', ...documents),
  }
}

/** Every list inside a value in another order, which the seed decides. */
function shuffled<T>(value: T, seed: number): T {
  return mixed(value, seed) as T
}

function mixed(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) {
    const ranked = value.map((each, i) => ({ each: mixed(each, seed), rank: ((i + 1) * 7919 * seed) % 104_729 }))
    return ranked.sort((a, b) => a.rank - b.rank).map(({ each }) => each)
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mixed(each, seed)]))
}
