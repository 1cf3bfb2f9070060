/** For the tests of every store: a small film graph fed by three pipelines, and what it must look like. */
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import type { CommitOutcome, Sink, SinkCommit } from '../../engine/contracts.ts'
import { type Duckdb, literal } from '../../engine/duckdb.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import type { GraphOptions, GraphRelationship } from './description.ts'
import type { CypherDialect, GraphRow } from './store.ts'

export type TitleKind = 'Movie' | 'TvSeries'
export type PipelineName = TitleKind | 'Person'

export interface Credit {
  readonly type: 'ACTED_IN' | 'CREW_OF'
  readonly key: string
  readonly person: bigint
  readonly personName: string
  readonly role: string
}

export interface Title {
  readonly name: string
  readonly credits: readonly Credit[]
  /** `id|name`. */
  readonly genres: readonly string[]
}

export interface Person {
  readonly name: string
  readonly birthday: string
}

/** Rows of one batch by id; null says that the row is gone. */
export type Rows<T> = ReadonlyMap<bigint, T | null>

/** The description of a pipeline's sink. */
export function describe(pipeline: PipelineName): GraphOptions {
  const person = { key: 'id', name: 'person_name' } as const
  if (pipeline === 'Person')
    return {
      nodes: { Person: { from: 'nodes', key: 'id', properties: { name: 'string', birthday: 'date' } } },
      removeNodes: { Person: { from: 'removed', key: 'id' } },
      stubs: { Person: person },
    }
  const credits = (property: string): GraphRelationship => ({
    from: property === 'character' ? 'cast' : 'crew',
    fromNode: 'Person',
    toNode: pipeline,
    fromKey: 'person_id',
    toKey: 'title_id',
    key: 'credit_key',
    properties: { person_name: 'string', [property]: 'string' },
  })
  return {
    nodes: { [pipeline]: { from: 'nodes', key: 'id', properties: { title: 'string' } } },
    removeNodes: { [pipeline]: { from: 'removed', key: 'id' } },
    owners: { from: 'changed', node: pipeline, key: 'title_id' },
    relationships: {
      ACTED_IN: credits('character'),
      CREW_OF: credits('job'),
      HAS_GENRE: {
        from: 'genres',
        fromNode: pipeline,
        toNode: 'Genre',
        fromKey: 'title_id',
        toKey: 'key',
        key: 'key',
        properties: {},
      },
    },
    stubs: { Person: person, Genre: { key: 'key', keyType: 'string', properties: { id: 'long', name: 'string' } } },
  }
}

let written = 0

/** Parquet files of a batch. */
export async function outputsOf(
  duckdb: Duckdb,
  dir: string,
  pipeline: PipelineName,
  rows: Rows<Title | Person>,
): Promise<Map<string, ParquetFile[]>> {
  const outputs = new Map<string, ParquetFile[]>()
  for (const [name, { columns, values }] of tablesOf(pipeline, rows)) {
    if (values.length === 0) continue
    written += 1
    const path = join(dir, `${written}.parquet`)
    const list = columns
      .split(', ')
      .map((column) => (/^(id|.*_id)$/.test(column) ? `${column}::BIGINT AS ${column}` : column))
    const tuples = values.map((row) => `(${row.map(literal).join(', ')})`)
    const query = `SELECT ${list.join(', ')} FROM (VALUES ${tuples.join(', ')}) v(${columns})`
    const file = await duckdb.withConnection((c) => copyToParquet(c, query, path))
    outputs.set(name, [file])
  }
  return outputs
}

type Values = (string | bigint)[][]

function tablesOf(
  pipeline: PipelineName,
  rows: Rows<Title | Person>,
): [name: string, table: { columns: string; values: Values }][] {
  const alive = [...rows].flatMap(([id, row]) => (row === null ? [] : [{ id, row }]))
  const removed = [...rows].flatMap(([id, row]) => (row === null ? [[id]] : []))
  const gone = ['removed', { columns: 'id', values: removed }] as [string, { columns: string; values: Values }]
  if (pipeline === 'Person') {
    const people = alive.map(({ id, row }) => [id, (row as Person).name, (row as Person).birthday])
    return [['nodes', { columns: 'id, name, birthday', values: people }], gone]
  }
  const titles = alive.map(({ id, row }) => ({ id, ...(row as Title) }))
  const credits = (type: Credit['type']) =>
    titles.flatMap(({ id, credits }) =>
      credits.filter((c) => c.type === type).map((c) => [id, c.person, c.key, c.personName, c.role]),
    )
  const creditColumns = 'title_id, person_id, credit_key, person_name'
  const genres = titles.flatMap((t) =>
    t.genres.map((key) => [t.id, key, BigInt(key.split('|')[0]!), key.split('|')[1]!]),
  )
  return [
    ['nodes', { columns: 'id, title', values: titles.map(({ id, name }) => [id, name]) }],
    ['changed', { columns: 'title_id', values: titles.map(({ id }) => [id]) }],
    ['cast', { columns: `${creditColumns}, character`, values: credits('ACTED_IN') }],
    ['crew', { columns: `${creditColumns}, job`, values: credits('CREW_OF') }],
    ['genres', { columns: 'title_id, key, id, name', values: genres }],
    gone,
  ]
}

/** Commits the batch at position `at`. */
export function commitTo(
  sink: Sink,
  at: number,
  given: Partial<SinkCommit> & Pick<SinkCommit, 'pipeline'>,
): Promise<CommitOutcome> {
  return sink.commit(commitAt(at, given))
}

/** All rows of the three tables as they are now. */
export interface State {
  readonly Movie: Map<bigint, Title>
  readonly TvSeries: Map<bigint, Title>
  readonly Person: Map<bigint, Person>
}

interface Link extends Credit {
  readonly kind: TitleKind
  readonly title: bigint
}

/** What the graph must hold, one line each; a plain model. */
export function expected(state: State): string[] {
  const lines: string[] = []
  const links: Link[] = []
  const genres = new Set<string>()
  for (const kind of ['Movie', 'TvSeries'] as const)
    for (const [id, { name, credits, genres: own }] of state[kind]) {
      lines.push(`${kind} ${id} ${name} false`)
      links.push(...credits.map((credit) => ({ ...credit, kind, title: id })))
      for (const key of own) lines.push(`HAS_GENRE ${kind} ${id} -> ${key}`)
      for (const key of own) genres.add(key)
    }
  for (const { type, person, kind, title, key, role, personName } of links)
    lines.push(`${type} ${person} -> ${kind} ${title} ${key} ${role} ${personName}`)
  for (const [id, { name, birthday }] of state.Person) lines.push(`Person ${id} ${name} ${birthday} false`)
  for (const person of new Set(links.map((link) => link.person))) {
    if (state.Person.has(person)) continue
    const first = links.filter((link) => link.person === person).sort(byTitle)[0]!
    lines.push(`Person ${person} ${first.personName} null true`)
  }
  for (const key of genres) lines.push(`Genre ${key} ${key.split('|').join(' ')} true`)
  return lines.sort()
}

function byTitle(a: Link, b: Link): number {
  const keys = (link: Link) => [link.kind, link.title, link.key, link.type] as const
  const [left, right] = [keys(a), keys(b)]
  const differ = left.findIndex((value, i) => value !== right[i])
  return differ < 0 ? 0 : left[differ]! < right[differ]! ? -1 : 1
}

/** What a graph can be asked, and whether it knows a label or type, and a property of it. */
export interface AskedFilms {
  query(cypher: string): Promise<readonly GraphRow[]>
  readonly dialect: CypherDialect
  has(table: string, property?: string): boolean
}

/** What the graph does hold, one line each. */
export async function contents({ query, dialect: { text }, has }: AskedFilms): Promise<string[]> {
  const lines: string[] = []
  const add = async (table: string, match: string, ...columns: string[]): Promise<void> => {
    if (!has(table)) return
    const rows = await query(`${match} RETURN ${columns.map((column, i) => `${column} AS c${i}`).join(', ')}`)
    lines.push(...rows.map((row) => columns.map((_, i) => String(row[`c${i}`])).join(' ')))
  }
  for (const kind of ['Movie', 'TvSeries'].filter((kind) => has(kind))) {
    await add(kind, `MATCH (n:${kind})`, `'${kind}'`, text('n.id'), 'n.title', text('n.stub'))
    for (const [type, role] of [
      ['ACTED_IN', 'character'],
      ['CREW_OF', 'job'],
    ] as const) {
      const credit = ['r.credit_key', `r.${role}`, 'r.person_name']
      const ends = [`'${type}'`, text('p.id'), `'->'`, `'${kind}'`, text('n.id')]
      await add(type, `MATCH (p:Person)-[r:${type}]->(n:${kind})`, ...ends, ...credit)
    }
    const genre = [`'HAS_GENRE'`, `'${kind}'`, text('n.id'), `'->'`, 'g.key']
    await add('HAS_GENRE', `MATCH (n:${kind})-[r:HAS_GENRE]->(g:Genre)`, ...genre)
  }
  const birthday = has('Person', 'birthday') ? `coalesce(${text('n.birthday')}, 'null')` : `'null'`
  await add('Person', 'MATCH (n:Person)', `'Person'`, text('n.id'), 'n.name', birthday, text('n.stub'))
  await add('Genre', 'MATCH (n:Genre)', `'Genre'`, 'n.key', text('n.id'), 'n.name', text('n.stub'))
  return lines.map((line) => line.replace(/ (True|False)$/, (flag) => flag.toLowerCase())).sort()
}
