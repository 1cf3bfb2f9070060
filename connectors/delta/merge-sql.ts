/**
 * The statements of a merge. Pure text: source rows go into a temporary table, are matched with the keys of the files
 * that may hold them, and from the two every new file is one query. Where they are many or large, they stay in their files, and
 * the temporary table is a view of them.
 *
 * The temporary tables: `source` has one row per key, `hits` one per match of a source key and a target file,
 * `fresh` the keys whose source row is newer than every target row, each with one of its files as home.
 */
import { identifier, literals } from '../../engine/duckdb.ts'
import type { Column, DataType } from '../../engine/schema.ts'
import { normalizedRows, serializedValue } from './partitions/partition-values.ts'
import { type LocalFile, selectFiles } from './read.ts'

/** All that the statements of a merge depend on, but for its files. */
export interface MergeShape {
  /** The table's columns, in order, after any evolution. */
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  /** Columns that identify a row; never null. */
  readonly key: readonly string[]
  /** Columns compared in order, null below everything: a source row counts only if it is greater. */
  readonly newer: readonly string[]
  /** Boolean column of the source, not of the table: true deletes the row. */
  readonly deleteWhen?: string
}

/** Types whose bounds can be compared with a file's statistics. */
const boundTypes: ReadonlySet<DataType> = new Set<DataType>([
  'long',
  'integer',
  'short',
  'byte',
  'string',
  'date',
  'timestamp',
  'timestamp_ntz',
])

/** The temporary table, or view, of the source's rows. */
export const source = 'millrace_source'
const newest = 'millrace_newest'
const hits = 'millrace_hits'
const fresh = 'millrace_fresh'
/** Further columns of target rows: their file and their number in it; and one of the source: whether it deletes. */
export const fileColumn = '__millrace_file'
export const rowColumn = '__millrace_row'
export const deleteColumn = '__millrace_delete'
const homeColumn = '__millrace_home'
const newerColumn = '__millrace_newer'

/** Statement: takes the source rows in, as they came but for what a partition column cannot tell apart. */
export function loadSource(shape: MergeShape, files: readonly LocalFile[]): string {
  return `CREATE TEMP TABLE ${source} AS ${sourceRows(shape, files)}`
}

/** Statement: the same, and the rows stay where they are. */
export function viewSource(shape: MergeShape, files: readonly LocalFile[]): string {
  return `CREATE TEMP VIEW ${source} AS ${sourceRows(shape, files)}`
}

function sourceRows(shape: MergeShape, files: readonly LocalFile[], withPlaces = false): string {
  const extra: Column[] = shape.deleteWhen === undefined ? [] : [{ name: shape.deleteWhen, type: 'boolean' }]
  const deletes = shape.deleteWhen === undefined ? 'false' : `coalesce(${identifier(shape.deleteWhen)}, false)`
  const places: Column[] = withPlaces
    ? [
        { name: fileColumn, type: 'string' },
        { name: rowColumn, type: 'long' },
      ]
    : []
  const selected = selectFiles({
    columns: [...shape.columns, ...extra],
    files,
    ...(withPlaces ? { fileColumn, rowColumn } : {}),
  })
  const rows = normalizedRows([...shape.columns, ...extra, ...places], shape.partitionColumns, selected)
  const named = [names(shape), `${deletes} AS ${deleteColumn}`, ...places.map(({ name }) => name)]
  return `SELECT ${named.join(', ')} FROM (${rows})`
}

/**
 * Query with one row about the source: `rows`, `keys` (distinct), `nullKeys`, and `min<i>`, `max<i>` of the i-th key
 * column where its type has bounds, as {@link ColumnStatistics} spells them.
 */
export function describeSource(shape: MergeShape): string {
  const bounds = shape.key.flatMap((name, i) => {
    const type = keyType(shape, name)
    if (!boundTypes.has(type)) return []
    return [
      `${bound(`min(${identifier(name)})`, type)} AS min${i}`,
      `${bound(`max(${identifier(name)})`, type)} AS max${i}`,
    ]
  })
  const isNull = shape.key.map((name) => `${identifier(name)} IS NULL`).join(' OR ')
  const keys = `count(DISTINCT row(${shape.key.map(identifier).join(', ')}))`
  return `SELECT ${[`count(*) AS "rows"`, `${keys} AS "keys"`, `count(*) FILTER (${isNull}) AS "nullKeys"`, ...bounds].join(', ')} FROM ${source}`
}

/** Query: up to `most` values of a key column as `value`, in the words of the log; of the rows that are left. */
export function keyValues(shape: MergeShape, name: string, most: number): string {
  const column = shape.columns.find((each) => each.name === name)!
  return `SELECT DISTINCT ${serializedValue(column)} AS value FROM ${source} LIMIT ${most}`
}

/** Query: the partition columns of all rows that can be written; rows may be in it more than once. */
export function partitionsOf(shape: MergeShape, touched: readonly LocalFile[]): string {
  const columns = shape.columns.filter(({ name }) => shape.partitionColumns.includes(name))
  const bare = columns.map(({ name }) => identifier(name)).join(', ')
  return `(SELECT ${bare} FROM ${source}) UNION ALL (${selectFiles({ columns, files: touched })})`
}

/**
 * Statements: leaves the newest row per key. Rows that are equally new are told apart by a hash of their content, so
 * that the same rows in another order leave the same one.
 */
export function dedupeSource(shape: MergeShape): string[] {
  const content = `hash(${shape.columns.map(({ name }) => identifier(name)).join(', ')})`
  return [
    `CREATE TEMP TABLE ${source}_deduped AS SELECT * FROM ${source} QUALIFY ${rankOf(shape, content)} = 1`,
    `DROP TABLE ${source}`,
    `ALTER TABLE ${source}_deduped RENAME TO ${source}`,
  ]
}

/** Statements: the same of a view. */
export function dedupeView(shape: MergeShape, files: readonly LocalFile[]): string[] {
  const rows = sourceRows(shape, files, true)
  const content = `hash(${shape.columns.map(({ name }) => identifier(name)).join(', ')}) AS content`
  const compared = [...new Set([...shape.key, ...shape.newer])].map(identifier)
  const ranked = `SELECT ${[...compared, deleteColumn, fileColumn, rowColumn, content].join(', ')} FROM (${rows})`
  return [
    `CREATE TEMP TABLE ${newest} AS SELECT ${fileColumn}, ${rowColumn} FROM (${ranked}) QUALIFY ${rankOf(shape, 'content')} = 1`,
    `CREATE OR REPLACE TEMP VIEW ${source} AS SELECT r.* EXCLUDE (${fileColumn}, ${rowColumn}) FROM (${rows}) r SEMI JOIN ${newest} n ON r.${fileColumn} = n.${fileColumn} AND r.${rowColumn} = n.${rowColumn}`,
  ]
}

function rankOf(shape: MergeShape, content: string): string {
  const order = [...shape.newer.map((name) => `${identifier(name)} DESC NULLS LAST`), `${deleteColumn} DESC`, content]
  return `row_number() OVER (PARTITION BY ${shape.key.map(identifier).join(', ')} ORDER BY ${order.join(', ')})`
}

/** Statements: matches the source with the keys in `candidates`. */
export function findHits(shape: MergeShape, candidates: readonly LocalFile[]): string[] {
  const compared = new Set([...shape.key, ...shape.newer])
  const columns = shape.columns.filter(({ name }) => compared.has(name))
  const target = selectFiles({ columns, files: candidates, fileColumn, rowColumn })
  const keys = shape.key.map((name) => `s.${identifier(name)}`).join(', ')
  const bare = shape.key.map(identifier).join(', ')
  return [
    `CREATE TEMP TABLE ${hits} AS SELECT ${keys}, t.${fileColumn}, t.${rowColumn}, ${isNewer(shape.newer)} AS ${newerColumn} FROM (${target}) t JOIN ${source} s ON ${sameKey(shape, 's', 't')}`,
    `CREATE TEMP TABLE ${fresh} AS SELECT ${bare}, min(${fileColumn}) AS ${homeColumn} FROM ${hits} GROUP BY ${bare} HAVING bool_and(${newerColumn})`,
  ]
}

/** Query with one row: how many rows the merge inserts, updates and deletes. */
export function countChanges(shape: MergeShape): string {
  return `SELECT (SELECT count(*) FROM (${inserts(shape)})) AS inserted, (SELECT count(*) FROM (${updates(shape)})) AS updated, (SELECT count(*) FROM ${fresh} f JOIN ${source} s ON ${sameKey(shape, 's', 'f')} WHERE s.${deleteColumn}) AS deleted`
}

/** Query: every file with a match as `file`, and how many of its rows change as `changed`. */
export function hitFiles(shape: MergeShape): string {
  return `SELECT h.${fileColumn} AS file, count(f.${homeColumn}) AS changed FROM ${hits} h LEFT JOIN ${fresh} f ON ${sameKey(shape, 'h', 'f')} GROUP BY h.${fileColumn}`
}

/** Query: numbers of the rows that change, as `rows`, of each of the named files. */
export function changedRows(shape: MergeShape, paths: readonly string[]): string {
  return `SELECT h.${fileColumn} AS file, list(h.${rowColumn}) AS "rows" FROM ${hits} h SEMI JOIN ${fresh} f ON ${sameKey(shape, 'h', 'f')} WHERE list_contains(${literals(paths)}, h.${fileColumn}) GROUP BY h.${fileColumn}`
}

/** Query: what becomes of the rows of touched files: those that stay, and the new ones of keys at home in them. */
export function rewritten(shape: MergeShape, touched: readonly LocalFile[]): string {
  const target = selectFiles({ columns: shape.columns, files: touched })
  const stay = `SELECT ${names(shape, 't')} FROM (${target}) t ANTI JOIN ${fresh} f ON ${sameKey(shape, 't', 'f')}`
  return `(${stay}) UNION ALL (${updatesIn(shape, touched.map((file) => file.path))})` // biome-ignore format: one line
}

/** Query: the new rows of keys that are at home in the named files. */
export function updatesIn(shape: MergeShape, paths: readonly string[]): string {
  return updates(shape, `list_contains(${literals(paths)}, f.${homeColumn})`)
}

/** Query: source rows of keys that no target row has. */
export function inserts(shape: MergeShape): string {
  return `SELECT ${names(shape, 's')} FROM ${source} s ANTI JOIN ${hits} h ON ${sameKey(shape, 's', 'h')} WHERE NOT s.${deleteColumn}`
}

/** Query: every row of the source that becomes one of the table. */
export function taken(shape: MergeShape): string {
  return `(${inserts(shape)}) UNION ALL (${updates(shape)})`
}

/** Query: the change feed of the merge (PROTOCOL.md, "Add CDC File"): the table's columns and `_change_type`. */
export function changes(shape: MergeShape, touched: readonly LocalFile[]): string {
  const target = selectFiles({ columns: shape.columns, files: touched })
  const before = `SELECT ${names(shape, 't')}, CASE WHEN s.${deleteColumn} THEN 'delete' ELSE 'update_preimage' END AS _change_type FROM (${target}) t JOIN ${fresh} f ON ${sameKey(shape, 't', 'f')} JOIN ${source} s ON ${sameKey(shape, 's', 'f')}`
  return [
    before,
    `SELECT *, 'update_postimage' AS _change_type FROM (${updates(shape)})`,
    `SELECT *, 'insert' AS _change_type FROM (${inserts(shape)})`,
  ]
    .map((part) => `(${part})`)
    .join(' UNION ALL ')
}

function updates(shape: MergeShape, where = 'true'): string {
  return `SELECT ${names(shape, 's')} FROM ${source} s JOIN ${fresh} f ON ${sameKey(shape, 's', 'f')} WHERE NOT s.${deleteColumn} AND ${where}`
}

function names(shape: MergeShape, alias?: string): string {
  const prefix = alias === undefined ? '' : `${alias}.`
  return shape.columns.map(({ name }) => `${prefix}${identifier(name)}`).join(', ')
}

/** Condition: the rows of two aliases have one key. */
export function sameKey(shape: MergeShape, left: string, right: string): string {
  return shape.key.map((name) => `${left}.${identifier(name)} = ${right}.${identifier(name)}`).join(' AND ')
}

/** Condition: the source row `s` is greater than the target's, `t`, column by column, null below everything. */
export function isNewer(newer: readonly string[], [s, t]: readonly [string, string] = ['s', 't']): string {
  const [first, ...rest] = newer
  if (first === undefined) return 'false'
  const [one, other] = [`${s}.${identifier(first)}`, `${t}.${identifier(first)}`]
  const greater = `coalesce(${one} > ${other}, ${one} IS NOT NULL)`
  return rest.length === 0
    ? greater
    : `(${greater} OR (${one} IS NOT DISTINCT FROM ${other} AND ${isNewer(rest, [s, t])}))`
}

function keyType(shape: MergeShape, name: string): DataType {
  return shape.columns.find((column) => column.name === name)?.type ?? 'binary'
}

function bound(sql: string, type: DataType): string {
  if (type === 'string' || type === 'date') return `CAST(${sql} AS VARCHAR)`
  if (type === 'timestamp' || type === 'timestamp_ntz') return `epoch_us(${sql})`
  return `CAST(${sql} AS BIGINT)`
}
