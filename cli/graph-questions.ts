/** Ready questions to the knowledge graph, in Cypher that every store understands. */
import { type FoundNode, findNode } from '../connectors/graph/find.ts'
import type { Graph, GraphRow, PathStep } from '../connectors/graph/store.ts'
import { MillraceError } from '../engine/errors.ts'

/** What joins people to titles. */
const credits = ['ACTED_IN', 'CREW_OF'] as const

/** Jobs of those who make a title what it is: of movies, and of series. */
const directing = ['Director', 'Creator'] as const

const titleLabels = ['Movie', 'TvSeries'] as const

/** Someone who acted beside a person. */
export interface CoStar {
  readonly id: bigint
  readonly name: string | null
  /** Titles in which both acted. */
  readonly titles: number
}

/** A director (or creator) and an actor who worked together. */
export interface Pair {
  readonly directorId: bigint
  readonly director: string | null
  readonly actorId: bigint
  readonly actor: string | null
  readonly titles: number
}

/** One credit of a person. */
export interface Credit {
  readonly year: number | null
  readonly type: (typeof titleLabels)[number]
  readonly id: bigint
  readonly title: string | null
  /** The character, or the job. */
  readonly role: string | null
}

/** A person, and how many others acted beside them. */
export interface Hub {
  readonly id: bigint
  readonly name: string | null
  readonly people: number
  readonly titles: number
}

/** A shortest way between two people over the titles that they share; null if there is none within 15 relationships. */
export function pathBetween(graph: Graph, from: string, to: string): Promise<readonly PathStep[] | null> {
  return graph.shortestPath({ label: 'Person', via: credits, from, to })
}

/** Who acted in most titles with a person, a key or a name. `CONFIG_INVALID` for somebody who is not there. */
export async function coStars(graph: Graph, person: string, top: number): Promise<CoStar[]> {
  const { key } = await findPerson(graph, person)
  const { text, long } = graph.dialect
  const rows = await ask(
    graph,
    `MATCH (p:Person)-[:ACTED_IN]->(t)<-[:ACTED_IN]-(o:Person) WHERE p.id = ${long('$key')} AND o.id <> p.id
     WITH o, count(DISTINCT t) AS titles ORDER BY titles DESC, o.id LIMIT ${whole(top)}
     RETURN ${text('o.id')} AS id, o.name AS name, titles`,
    { key },
  )
  return rows
    .map((row) => ({ id: idOf(row.id), name: textOf(row.name), titles: Number(row.titles) }))
    .sort((a, b) => b.titles - a.titles || byId(a.id, b.id))
}

/** Directors and actors with most titles together; of one person only, if one is named. */
export async function directorActorPairs(graph: Graph, person: string | null, top: number): Promise<Pair[]> {
  const key = person === null ? null : (await findPerson(graph, person)).key
  const { text, long } = graph.dialect
  const one = key === null ? '' : `AND ${long('$key')} IN [d.id, a.id]`
  const rows = await ask(
    graph,
    `MATCH (d:Person)-[c:CREW_OF]->(t)<-[:ACTED_IN]-(a:Person) WHERE c.job IN $jobs AND d.id <> a.id ${one}
     WITH d, a, count(DISTINCT t) AS titles ORDER BY titles DESC, d.id, a.id LIMIT ${whole(top)}
     RETURN ${text('d.id')} AS directorId, d.name AS director, ${text('a.id')} AS actorId, a.name AS actor, titles`,
    { jobs: directing, ...(key === null ? {} : { key }) },
  )
  return rows
    .map((row) => ({
      directorId: idOf(row.directorId),
      director: textOf(row.director),
      actorId: idOf(row.actorId),
      actor: textOf(row.actor),
      titles: Number(row.titles),
    }))
    .sort((a, b) => b.titles - a.titles || byId(a.directorId, b.directorId) || byId(a.actorId, b.actorId))
}

/** All credits of a person, newest title first, those without a year last. */
export async function filmography(graph: Graph, person: string): Promise<Credit[]> {
  const { key } = await findPerson(graph, person)
  const found: Credit[] = []
  for (const type of titleLabels)
    for (const [relationship, role] of [
      ['ACTED_IN', 'character'],
      ['CREW_OF', 'job'],
    ]) {
      const rows = await ask(
        graph,
        `MATCH (p:Person)-[r:${relationship}]->(t:${type}) WHERE p.id = ${graph.dialect.long('$key')}
         RETURN ${graph.dialect.text('t.id')} AS id, t.title AS title, t.year AS year, r.${role} AS role`,
        { key },
      )
      for (const row of rows)
        found.push({
          year: row.year === null ? null : Number(row.year),
          type,
          id: idOf(row.id),
          title: textOf(row.title),
          role: textOf(row.role),
        })
    }
  return found.sort(byYear)
}

/** Who acted beside most other people. */
export async function hubs(graph: Graph, top: number): Promise<Hub[]> {
  const rows = await ask(
    graph,
    `MATCH (p:Person)-[:ACTED_IN]->(t)<-[:ACTED_IN]-(o:Person) WHERE p.id <> o.id
     WITH p, count(DISTINCT o) AS people, count(DISTINCT t) AS titles ORDER BY people DESC, p.id LIMIT ${whole(top)}
     RETURN ${graph.dialect.text('p.id')} AS id, p.name AS name, people, titles`,
    {},
  )
  return rows
    .map((row) => ({
      id: idOf(row.id),
      name: textOf(row.name),
      people: Number(row.people),
      titles: Number(row.titles),
    }))
    .sort((a, b) => b.people - a.people || byId(a.id, b.id))
}

function findPerson(graph: Graph, person: string): Promise<FoundNode> {
  return findNode(graph, { label: 'Person', key: 'id', keyType: 'long', named: 'name', via: credits }, person)
}

/** Rows of a question; none where the graph has no relationships of that type yet, which some stores take for a mistake. */
async function ask(
  graph: Graph,
  cypher: string,
  parameters: Parameters<Graph['query']>[1],
): Promise<readonly GraphRow[]> {
  try {
    return await graph.query(cypher, parameters)
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'SINK_FAILED') throw error
    const { nodes, relationships } = await graph.counts()
    const asked = [...cypher.matchAll(/:([A-Z][A-Za-z_]+)/g)].map(([, name]) => name!)
    if (asked.every((name) => nodes.has(name) || relationships.has(name))) throw error
    return []
  }
}

function whole(top: number): number {
  return Math.max(1, Math.floor(top))
}

function idOf(value: unknown): bigint {
  return BigInt(String(value))
}

function byId(a: bigint, b: bigint): number {
  return a === b ? 0 : a < b ? -1 : 1
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value)
}

function byYear(a: Credit, b: Credit): number {
  return (
    (b.year ?? -10_000) - (a.year ?? -10_000) || order(a.title, b.title) || order(a.role, b.role) || byId(a.id, b.id)
  )
}

function order(a: string | null, b: string | null): number {
  return a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1
}
