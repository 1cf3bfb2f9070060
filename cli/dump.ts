/** Everything that a data directory holds, as comparable text: for checks that two runs end alike. */

import { existsSync } from 'node:fs'
import { selectTable } from '../connectors/delta/read.ts'
import { openGraphDatabase } from '../connectors/ladybug/database.ts'
import { type Connection, identifier } from '../engine/duckdb.ts'
import type { DuckdbStore } from '../engine/duckdb-store.ts'
import { listTables } from './lake-tables.ts'
import type { Place } from './place.ts'
import { graphFile, olapFile, vectorsFile } from './wire.ts'

/** Sorted rows, as JSON text, by `table:…`, `olap:…`, `vectors:…` and `graph:…`. Positions and versions are left out. */
export type Dump = ReadonlyMap<string, readonly string[]>

/** Reads all tables and stores; changes nothing. */
export async function dumpAll(place: Place): Promise<Dump> {
  const dump = new Map<string, readonly string[]>()
  for (const path of await listTables(place.lake)) dump.set(`table:${path}`, await dumpTable(place, path))
  await dumpStore('olap', olapFile(place), dump)
  await dumpStore('vectors', vectorsFile(place), dump)
  if (existsSync(graphFile(place))) await dumpGraph(graphFile(place), dump)
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
  const query = await selectTable({ snapshot, store: place.lake, tablePath: path })
  return (await place.duckdb()).withConnection((connection) => sortedRows(connection, `(${query})`))
}

async function dumpStore(name: string, store: DuckdbStore, dump: Map<string, readonly string[]>): Promise<void> {
  if (!store.exists()) return
  await store.use('read', async (connection) => {
    const tables = await connection.rows(
      `SELECT table_name AS name FROM information_schema.tables
       WHERE table_catalog = current_database() AND NOT starts_with(table_name, '_millrace_') ORDER BY name`,
    )
    for (const table of tables)
      dump.set(`${name}:${table.name}`, await sortedRows(connection, identifier(String(table.name))))
  })
}

async function sortedRows(connection: Connection, relation: string): Promise<string[]> {
  const rows = await connection.rows(`SELECT to_json(t)::VARCHAR AS text FROM ${relation} t ORDER BY text`)
  return rows.map((row) => String(row.text))
}

async function dumpGraph(path: string, dump: Map<string, readonly string[]>): Promise<void> {
  const graph = await openGraphDatabase({ path, mode: 'read' })
  try {
    const nodes = await graph.run('MATCH (n) RETURN label(n) AS label, n AS node')
    const links = await graph.run(
      'MATCH (a)-[r]->(b) RETURN label(a) AS la, a AS a, label(r) AS label, r AS link, label(b) AS lb, b AS b',
    )
    const plain = (value: unknown): string => stable(value)
    dump.set(
      'graph:nodes',
      nodes
        .filter((row) => row.label !== 'MillracePosition')
        .map((row) => `${row.label} ${plain(row.node)}`)
        .sort(),
    )
    dump.set(
      'graph:relationships',
      links.map((row) => `${row.la} ${keyOf(row.a)} ${row.label} ${plain(row.link)} ${row.lb} ${keyOf(row.b)}`).sort(),
    )
  } finally {
    await graph.close()
  }
}

function keyOf(node: unknown): string {
  const { id, key } = node as { id?: unknown; key?: unknown }
  return String(key ?? id)
}

/** Without the engine's own ids (`_id`, `_src`, ...), which depend on the order of writing; keys sorted. */
function stable(value: unknown): string {
  const entries = Object.entries(value as object).filter(([name, each]) => !name.startsWith('_') && each !== null)
  return JSON.stringify(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)),
    (_, each) => (typeof each === 'bigint' ? String(each) : each),
  )
}
