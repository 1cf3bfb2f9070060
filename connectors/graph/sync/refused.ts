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
  const stubs = refused.flatMap(({ origin, k }) => (origin.kind === 'stubs' && origin.label === other ? [k] : []))
  const own = refused.flatMap((key) =>
    key.origin.kind === 'relationships' && samePair(key.origin.relationship, relationship)
      ? [{ end: key[owner]!, k: key.k }]
      : [],
  )
  const pairs = own.map((key) => `{'o': ${literal(key.end)}, 'k': ${literal(key.k)}}`)
  return [
    stubs.length === 0 ? '' : ` AND ${end}::VARCHAR NOT IN (SELECT unnest([${stubs.map(literal).join(', ')}]))`,
    pairs.length === 0
      ? ''
      : ` AND {'o': ${owner}::VARCHAR, 'k': k::VARCHAR} NOT IN (SELECT unnest([${pairs.join(', ')}]))`,
  ].join('')
}

/** The rows of a commit's inputs that bring what is refused: the same for the same inputs. */
export async function refusedRows(
  sql: Connection,
  { options, outputs }: { readonly options: GraphOptions; readonly outputs: SinkCommit['outputs'] },
  refused: RefusedKeys,
): Promise<RefusedRow[]> {
  const sources = refused.flatMap((key) => sourcesOf(options, key))
  const found: RefusedRow[] = []
  for (const [input, own] of Map.groupBy(sources, (source) => source.input)) {
    const files = outputs.get(input) ?? []
    if (files.length === 0) continue
    const scan = parquetRows(
      files.map(({ path }) => path),
      'union_by_name = true',
    )
    const { names } = await sql.describe(`SELECT * FROM ${scan}`)
    // those of one kind have the same columns, and are sought with one look at the files
    for (const alike of Map.groupBy(own, ({ keys }) =>
      keys.map(({ column, type }) => `${column} ${type}`).join(),
    ).values())
      found.push(...(await rowsWith(sql, { input, scan, names }, alike)))
  }
  return found
}

async function rowsWith(
  sql: Connection,
  { input, scan, names }: { readonly input: string; readonly scan: string; readonly names: readonly string[] },
  alike: readonly RowSource[],
): Promise<RefusedRow[]> {
  const columns = alike[0]!.keys.map(({ column }) => column)
  const packed = [...new Set([...columns, ...names])].map(
    (column) => `${identifier(column)} := s.${identifier(column)}`,
  )
  const sought = alike.map(
    ({ keys, message }) => `(${[...keys.map(({ value }) => value), message].map(literal).join(', ')})`,
  )
  const given = [...columns.map((_, i) => `v${i}`), 'message'].join(', ')
  const same = alike[0]!.keys.map(
    ({ column, type }, i) => `${toExchange(`s.${identifier(column)}`, type)} = v.v${i}::${exchangeType(type)}`,
  )
  const rows = await sql.rows(
    `SELECT to_json(struct_pack(${packed.join(', ')}))::VARCHAR AS row, v.message AS message
     FROM ${scan} s JOIN (VALUES ${sought.join(', ')}) v(${given}) ON ${same.join(' AND ')} ORDER BY row, message`,
  )
  return rows.map(({ row, message }) => ({ input, row: String(row), message: String(message) }))
}

interface RowSource {
  readonly input: string
  /** Columns that tell the rows, which come first, and the values in them. */
  readonly keys: readonly { readonly column: string; readonly type: KeyType; readonly value: string }[]
  readonly message: string
}

function sourcesOf(options: GraphOptions, { origin, k, f, t, message }: RefusedKey): RowSource[] {
  if (origin.kind === 'nodes') {
    const { from, key, keyType = 'long' } = options.nodes![origin.label]!
    return [{ input: from, keys: [{ column: key, type: keyType, value: k }], message }]
  }
  if (origin.kind === 'relationships') {
    const relationship = origin.relationship
    const ends = [end(options, relationship, 'f', f!), end(options, relationship, 't', t!)]
    const keys = [...ends, { column: relationship.key, type: 'string', value: k } as const]
    return [{ input: relationship.from, keys, message }]
  }
  return relationshipsOf(options).flatMap((relationship) => {
    const at = relationship.fromNode === options.owners?.node ? 't' : 'f'
    const other = at === 'f' ? relationship.fromNode : relationship.toNode
    return other === origin.label
      ? [{ input: relationship.from, keys: [end(options, relationship, at, k)], message }]
      : []
  })
}

function end(
  { nodes = {}, stubs = {} }: GraphOptions,
  { fromNode, toNode, fromKey, toKey }: TypedRelationship,
  at: 'f' | 't',
  value: string,
) {
  const [label, column] = at === 'f' ? [fromNode, fromKey] : [toNode, toKey]
  return { column, type: (nodes[label] ?? stubs[label])?.keyType ?? 'long', value }
}
