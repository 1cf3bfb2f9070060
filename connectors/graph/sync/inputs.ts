/** A batch's inputs as temporary tables of DuckDB: nodes written and removed, by label. */
import { identifier, parquetRows } from '../../../engine/duckdb.ts'
import type { ParquetFile } from '../../../engine/schema.ts'
import type { GraphOptions, KeyType, PropertyType } from '../description.ts'
import type { Catalog, LabelInfo } from './catalog.ts'
import { createTables, type Exchange } from './exchange.ts'
import { type RefusedKeys, refusedNodes } from './refused.ts'
import { exchangeType, toExchange } from './types.ts'

/** What one commit works with. */
export interface GraphBatch {
  readonly exchange: Exchange
  readonly options: GraphOptions
  readonly catalog: Catalog
  readonly outputs: ReadonlyMap<string, readonly ParquetFile[]>
  /** What the store does not take: left out, whatever stood there. */
  readonly refused?: RefusedKeys
}

/** One whose nodes are in temporary tables. */
export interface TakenBatch extends GraphBatch {
  /** Rows of each of the labels' tables, by the table's name. */
  readonly rows: ReadonlyMap<string, number>
}

/** Names of a label's temporary tables, each with the nodes' key in column `k`. */
export interface LabelTables {
  /** Nodes that the batch writes: `k`, `p0`, `p1`, ... in the order of the description. */
  readonly written: string
  /** Nodes that the batch removes, none of which it writes. */
  readonly removed: string
}

/** A label of the graph. */
export function labelOf(batch: GraphBatch, label: string): LabelInfo {
  return batch.catalog.labels.get(label)!
}

/** The temporary tables of a label. */
export function labelTables({ catalog }: GraphBatch, label: string): LabelTables {
  const index = [...catalog.labels.keys()].indexOf(label)
  return { written: `written_${index}`, removed: `removed_${index}` }
}

/** `read_parquet` of an input's files; null without any. */
export function scan(batch: GraphBatch, from: string): string | null {
  const files = batch.outputs.get(from) ?? []
  return files.length === 0
    ? null
    : parquetRows(
        files.map((file) => file.path),
        'union_by_name = true',
      )
}

/** A query for the keys in a column of an input; rows without one are left out. */
export function keysOf(batch: GraphBatch, from: string, column: string, keyType: KeyType): string {
  const files = scan(batch, from)
  const empty = `SELECT NULL::${exchangeType(keyType)} AS k WHERE false`
  if (files === null) return empty
  return `SELECT DISTINCT ${toExchange(identifier(column), keyType)} AS k FROM ${files} WHERE ${identifier(column)} IS NOT NULL`
}

/** Fills every label's temporary tables. A node that a batch both writes and removes is written. */
export async function takeNodes(batch: GraphBatch): Promise<TakenBatch> {
  const { exchange, options, catalog } = batch
  const tables = [...catalog.labels.values()].flatMap(({ label, keyType }): [string, string][] => {
    const { written, removed } = labelTables(batch, label)
    const [nodes, removals] = [options.nodes?.[label], options.removeNodes?.[label]]
    const rows = nodes === undefined ? null : nodeRows(batch, nodes.from, nodes.key, keyType, nodes.properties)
    const none = `SELECT NULL::${exchangeType(keyType)} AS k WHERE false`
    const refused = refusedNodes(batch.refused, label, exchangeType(keyType))
    const taken = refused === null ? (rows ?? none) : `SELECT * FROM (${rows ?? none}) WHERE k NOT IN (${refused})`
    const named = removals === undefined ? none : keysOf(batch, removals.from, removals.key, keyType)
    const gone = refused === null ? named : `${named} UNION ${refused}`
    return [
      [written, taken],
      [removed, `SELECT k FROM (${gone}) WHERE k NOT IN (SELECT k FROM ${written})`],
    ]
  })
  return { ...batch, rows: await createTables(exchange.sql, tables) }
}

function nodeRows(
  batch: GraphBatch,
  from: string,
  key: string,
  keyType: KeyType,
  properties: { readonly [property: string]: PropertyType },
): string | null {
  const files = scan(batch, from)
  if (files === null) return null
  const list = Object.entries(properties).map(([name, type], i) => `${toExchange(identifier(name), type)} AS p${i}`)
  const order = ['k', ...list.map((_, i) => `p${i}`)].join(', ')
  return `SELECT * FROM (SELECT ${[`${toExchange(identifier(key), keyType)} AS k`, ...list].join(', ')} FROM ${files})
    WHERE k IS NOT NULL QUALIFY row_number() OVER (PARTITION BY k ORDER BY ${order}) = 1`
}
