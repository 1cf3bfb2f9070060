/** Everything that a data directory holds, as comparable text: for checks that two runs end alike. */

import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { listTables } from '../connectors/delta/list-tables.ts'
import { selectTable } from '../connectors/delta/read.ts'
import { name } from '../connectors/graph/cypher.ts'
import type { ReadCypher } from '../connectors/graph/store.ts'
import { type Catalog, positionLabel } from '../connectors/graph/sync/catalog.ts'
import { readCatalog } from '../connectors/ladybug/catalog.ts'
import { openGraphDatabase } from '../connectors/ladybug/database.ts'
import { storedNamespaces, tableOf } from '../connectors/local-vectors/namespace.ts'
import { type Connection, identifier, literal, parquetRows } from '../engine/duckdb.ts'
import type { DuckdbStore } from '../engine/duckdb-store.ts'
import { firstTimeHeader } from '../engine/first-time.ts'
import { makeFolder } from '../engine/make-folder.ts'
import type { Place } from './place.ts'
import { graphFile, olapFile, vectorsFile } from './wire.ts'

/** Sorted rows, as JSON text, by `table:…`, `olap:…`, `vectors:…` and `graph:…`. Positions and versions are left out. */
export type Dump = ReadonlyMap<string, readonly string[]>

/** Reads all tables and stores; changes nothing. */
export async function dumpAll(place: Place): Promise<Dump> {
  const dump = new Map<string, readonly string[]>()
  for (const path of await listTables(place.lake)) dump.set(`table:${path}`, await dumpTable(place, path))
  if (place.clickhouse === null) await dumpStore('olap', olapFile(place), dump)
  else await dumpClickhouse(place, dump)
  if (place.pinecone === null) await dumpVectors(vectorsFile(place), dump)
  else await dumpPinecone(place, dump)
  if (place.neo4j !== null) await dumpNeo4j(place, dump)
  else if (existsSync(graphFile(place))) await dumpEmbeddedGraph(graphFile(place), dump)
  return dump
}

/** The names under which two dumps differ, each with a row that only one of them has. */
export function differences(left: Dump, right: Dump): string[] {
  const found: string[] = []
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(name) ?? [], right.get(name) ?? []]
    const at = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).find((i) => a[i] !== b[i])
    if (at !== undefined)
      found.push(`${name}: ${a.length} and ${b.length} rows; first ${a[at] ?? 'none'} and ${b[at] ?? 'none'}`)
  }
  return found
}

async function dumpTable(place: Place, path: string): Promise<string[]> {
  const snapshot = await place.table(path).snapshot()
  if (snapshot === null) return []
  const query = await selectTable({ snapshot, store: place.lake, tablePath: path, duckdb: place.duckdb })
  const names = new Set(snapshot.columns.map(({ name }) => name))
  const rows = names.has('timestamp') && names.has('headers') ? withoutResentTime(query) : query
  return (await place.duckdb()).withConnection((connection) => sortedRows(connection, `(${rows})`))
}

/** Records that were sent again have the time at which that was done, which no two runs share; their first time is a header. */
function withoutResentTime(query: string): string {
  const isResent = `list_contains(list_transform(headers, lambda h: h.key), ${literal(firstTimeHeader)})`
  return `SELECT * REPLACE (CASE WHEN ${isResent} THEN NULL ELSE "timestamp" END AS "timestamp") FROM (${query})`
}

async function dumpStore(prefix: string, store: DuckdbStore, dump: Map<string, readonly string[]>): Promise<void> {
  if (!store.exists()) return
  await store.use('read', async (connection) => {
    const tables = await connection.rows(
      `SELECT table_name AS name FROM information_schema.tables
       WHERE table_catalog = current_database() AND NOT starts_with(table_name, '_millrace_') ORDER BY name`,
    )
    for (const table of tables)
      dump.set(`${prefix}:${table.name}`, await sortedRows(connection, identifier(String(table.name))))
  })
}

/** Without what a service cannot hold: nulls and empty lists. */
async function dumpVectors(store: DuckdbStore, dump: Map<string, readonly string[]>): Promise<void> {
  if (!store.exists()) return
  await store.use('read', async (connection) => {
    for (const { namespace } of await storedNamespaces(connection)) {
      const rows = await connection.rows(`SELECT * FROM ${tableOf(namespace)}`)
      dump.set(`vectors:${namespace}`, rows.map(vectorText).sort())
    }
  })
}

async function dumpPinecone(place: Place, dump: Map<string, readonly string[]>): Promise<void> {
  const { pineconeStore } = await import('../connectors/pinecone/search.ts')
  const { shownMetadata } = await import('../connectors/pinecone/records.ts')
  const index = await place.pineconeIndex()
  for (const namespace of (await pineconeStore(index).counts()).keys()) {
    const rows: string[] = []
    for await (const ids of index.list(namespace, ''))
      for (const { id, values, metadata } of await index.fetch(namespace, ids))
        rows.push(vectorText({ id, embedding: values, ...shownMetadata(metadata) }))
    dump.set(`vectors:${namespace}`, rows.sort())
  }
}

function vectorText(row: Readonly<Record<string, unknown>>): string {
  const held = Object.entries(row).filter(
    ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
  )
  return JSON.stringify(Object.fromEntries(held.sort(([a], [b]) => (a < b ? -1 : 1))), (name, value: unknown) => {
    if (name === 'embedding') return [...(value as readonly number[])].map(Math.fround)
    return typeof value === 'bigint' ? Number(value) : value
  })
}

/** As the embedded store would hold them: exact days, and null where a list is null. */
async function dumpClickhouse(place: Place, dump: Map<string, readonly string[]>): Promise<void> {
  const { downloadRows, tableNames, viewNames } = await import('../connectors/clickhouse/store.ts')
  const clickhouse = await place.clickhouseClient()
  await makeFolder(place.scratchDir)
  for (const table of [...(await tableNames(clickhouse)), ...(await viewNames(clickhouse))].sort()) {
    const path = join(place.scratchDir, `${place.ids.uuid()}.parquet`)
    const columns = await downloadRows(clickhouse, table, path)
    const exprs = columns.map(({ name, stored, nulls }) => {
      const value = identifier(stored)
      const nullable =
        nulls === null ? value : `CASE WHEN list_contains(${nulls}, ${literal(name)}) THEN NULL ELSE ${value} END`
      return `${nullable} AS ${identifier(name)}`
    })
    const relation = `(SELECT ${exprs.length === 0 ? '*' : exprs.join(', ')} FROM ${parquetRows([path])})`
    const rows = await (await place.duckdb()).withConnection((connection) => sortedRows(connection, relation))
    dump.set(`olap:${table}`, rows)
    await rm(path)
  }
}

async function sortedRows(connection: Connection, relation: string): Promise<string[]> {
  const rows = await connection.rows(`SELECT to_json(t)::VARCHAR AS text FROM ${relation} t ORDER BY text`)
  return rows.map((row) => String(row.text))
}

async function dumpEmbeddedGraph(path: string, dump: Map<string, readonly string[]>): Promise<void> {
  const graph = await openGraphDatabase({ path, mode: 'read' })
  await dumpGraph(graph.read, await readCatalog(graph.read), dump)
}

async function dumpNeo4j(place: Place, dump: Map<string, readonly string[]>): Promise<void> {
  const { readCatalog } = await import('../connectors/neo4j/catalog.ts')
  const { openGraph } = await import('../connectors/neo4j/query.ts')
  const neo4j = await place.neo4jClient()
  const catalog = await readCatalog(neo4j.read)
  if (catalog !== null) await dumpGraph((await openGraph(neo4j)).query, catalog, dump)
}

async function dumpGraph(
  query: ReadCypher,
  { labels, pairs }: Catalog,
  dump: Map<string, readonly string[]>,
): Promise<void> {
  for (const [label] of labels) {
    if (label === positionLabel) continue
    const rows = await query(`MATCH (n:${name(label)}) RETURN n AS node`)
    dump.set(`graph:${label}`, rows.map((row) => stable(row.node)).sort())
  }
  for (const { type, fromNode, toNode } of pairs) {
    const [a, b] = [labels.get(fromNode)!.key, labels.get(toNode)!.key].map(name)
    const rows = await query(
      `MATCH (a:${name(fromNode)})-[r:${name(type)}]->(b:${name(toNode)}) RETURN a.${a} AS a, r AS link, b.${b} AS b`,
    )
    dump.set(`graph:${fromNode}-${type}-${toNode}`, rows.map((row) => `${row.a} ${stable(row.link)} ${row.b}`).sort())
  }
}

/** Without the engine's own ids (`_id`, `_src`, ...), which depend on the order of writing; keys sorted. */
function stable(value: unknown): string {
  const entries = Object.entries(value as object).filter(([name, each]) => !name.startsWith('_') && each !== null)
  return JSON.stringify(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)),
    (_, each) => (typeof each === 'bigint' ? String(each) : each),
  )
}
