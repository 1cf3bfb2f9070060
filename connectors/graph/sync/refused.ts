/** Rows that a store does not take for what is in them: left out of a batch, and named. */
import type { RefusedRow, SinkCommit } from '../../../engine/contracts.ts'
import { type Connection, identifier, literal, parquetRows } from '../../../engine/duckdb.ts'
import type { GraphOptions, KeyType } from '../description.ts'
import { type PairInfo, relationshipsOf, samePair, type TypedRelationship } from '../relationships.ts'
import type { Origin } from './exchange.ts'
import { exchangeType, toExchange } from './types.ts'

/** Values of a row that was refused: `k`, of a relationship also `f` and `t`; as text. */
export interface RefusedKey {
  readonly origin: Origin
  readonly k: string
  readonly f?: string
  readonly t?: string
  /** The store's own words. */
  readonly message: string
}

/** All that is refused of a batch. */
export type RefusedKeys = readonly RefusedKey[]

/** A query for the keys of the nodes of a label that are refused; null if there are none. */
export function refusedNodes(refused: RefusedKeys = [], label: string, keyType: string): string | null {
  const keys = refused.flatMap(({ origin, k }) => (origin.kind === 'nodes' && origin.label === label ? [k] : []))
  return keys.length === 0
    ? null
    : `SELECT k::${keyType} AS k FROM (VALUES ${keys.map((k) => `(${literal(k)})`).join(', ')}) v(k)`
}

/** SQL that leaves refused relationships out, and those to stubs that are refused; empty if there are none. */
export function refusedRelationships(
  refused: RefusedKeys = [],
  relationship: PairInfo,
  { owner, other }: { readonly owner: 'f' | 't'; readonly other: string },
): string {
  const end = owner === 'f' ? 't' : 'f'
  const out = refused.flatMap((key) => {
    const { origin, k } = key
    if (origin.kind !== 'relationships')
      return origin.kind === 'stubs' && origin.label === other ? [`${end}::VARCHAR = ${literal(k)}`] : []
    if (!samePair(origin.relationship, relationship)) return []
    return [`(${owner}::VARCHAR = ${literal(key[owner]!)} AND k = ${literal(k)})`]
  })
  return out.map((condition) => ` AND NOT ${condition}`).join('')
}

/** The rows of a commit's inputs that bring what is refused: the same for the same inputs. */
export async function refusedRows(
  sql: Connection,
  { options, outputs }: { readonly options: GraphOptions; readonly outputs: SinkCommit['outputs'] },
  refused: RefusedKeys,
): Promise<RefusedRow[]> {
  const found: RefusedRow[] = []
  for (const key of refused)
    for (const { input, keys, where } of sourcesOf(options, key)) {
      const files = outputs.get(input) ?? []
      if (files.length === 0) continue
      const scan = parquetRows(
        files.map(({ path }) => path),
        'union_by_name = true',
      )
      const { names } = await sql.describe(`SELECT * FROM ${scan}`)
      const columns = [...new Set([...keys, ...names])].map(identifier)
      const rows = await sql.rows(
        `SELECT to_json(r)::VARCHAR AS row FROM (SELECT ${columns.join(', ')} FROM ${scan} WHERE ${where}) r ORDER BY row`,
      )
      found.push(...rows.map(({ row }) => ({ input, row: String(row), message: key.message })))
    }
  return found
}

interface RowSource {
  readonly input: string
  /** Columns that come first. */
  readonly keys: readonly string[]
  readonly where: string
}

function sourcesOf(options: GraphOptions, { origin, k, f, t }: RefusedKey): RowSource[] {
  if (origin.kind === 'nodes') {
    const { from, key, keyType = 'long' } = options.nodes![origin.label]!
    return [{ input: from, keys: [key], where: equals(key, keyType, k) }]
  }
  if (origin.kind === 'relationships') {
    const relationship = origin.relationship
    const { from, fromKey, toKey, key } = relationship
    const ends = [end(options, relationship, 'f', f!), end(options, relationship, 't', t!)]
    return [{ input: from, keys: [fromKey, toKey, key], where: [...ends, equals(key, 'string', k)].join(' AND ') }]
  }
  return relationshipsOf(options).flatMap((relationship) => {
    const at = relationship.fromNode === options.owners?.node ? 't' : 'f'
    const { from, fromKey, toKey, fromNode, toNode } = relationship
    const other = at === 'f' ? fromNode : toNode
    return other === origin.label
      ? [{ input: from, keys: [fromKey, toKey], where: end(options, relationship, at, k) }]
      : []
  })
}

function end(
  { nodes = {}, stubs = {} }: GraphOptions,
  { fromNode, toNode, fromKey, toKey }: TypedRelationship,
  at: 'f' | 't',
  value: string,
): string {
  const [label, column] = at === 'f' ? [fromNode, fromKey] : [toNode, toKey]
  return equals(column, (nodes[label] ?? stubs[label])?.keyType ?? 'long', value)
}

function equals(column: string, keyType: KeyType, value: string): string {
  return `${toExchange(identifier(column), keyType)} = ${literal(value)}::${exchangeType(keyType)}`
}
