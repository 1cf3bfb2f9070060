/** One statement of Cypher, run to its end. */
import { MillraceError, messageOf } from '../../engine/errors.ts'
import type { NativeConnection, NativeParameter, NativeResult } from './native.ts'
import { holdsDate, labelsIn, type PropertyTypes, readableRows } from './result-values.ts'
import { text } from './types.ts'

/** Columns of a result by name. */
export type GraphRow = Readonly<Record<string, unknown>>
/** Values never become part of the text: they are parameters, 64-bit numbers as text. */
export type GraphParameters = Readonly<Record<string, NativeParameter>>

/**
 * Runs a statement; in mode `read` one that would change anything is refused, and days and times are text, as `engine/readable.ts` has them. `SINK_FAILED` with the engine's words. Every result is closed: one
 * left open keeps the database open after its `close`, and commits were lost that way.
 */
export async function execute(
  connection: NativeConnection,
  cypher: string,
  parameters?: GraphParameters,
  mode: 'read' | 'write' = 'write',
): Promise<GraphRow[]> {
  try {
    const { rows, types } = await resultOf(connection, cypher, parameters, mode)
    if (mode === 'write' || !rows.some(holdsDate)) return rows
    return readableRows(rows, types, await propertyTypes(connection, labelsIn(rows)))
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw new MillraceError('SINK_FAILED', `graph statement failed: ${messageOf(cause)}; it was: ${cypher}`, { cause })
  }
}

interface ExactResult {
  readonly rows: GraphRow[]
  readonly types: ReadonlyMap<string, string>
}

async function resultOf(
  connection: NativeConnection,
  cypher: string,
  parameters: GraphParameters | undefined,
  mode: 'read' | 'write',
): Promise<ExactResult> {
  const results = [await start(connection, cypher, parameters, mode)].flat()
  try {
    return exactResult(results.at(-1)!)
  } finally {
    for (const result of results) result.close()
  }
}

/** Types of the properties of nodes and relationships: inside of one, only the schema tells a day from a time. */
async function propertyTypes(connection: NativeConnection, labels: ReadonlySet<string>): Promise<PropertyTypes> {
  const types = new Map<string, ReadonlyMap<string, string>>()
  for (const label of labels) {
    const { rows } = await resultOf(connection, `CALL table_info(${text(label)}) RETURN name, type`, {}, 'read')
    types.set(label, new Map(rows.map((row) => [String(row.name), String(row.type)])))
  }
  return (label, property) => types.get(label)?.get(property)
}

async function start(
  connection: NativeConnection,
  cypher: string,
  parameters: GraphParameters | undefined,
  mode: 'read' | 'write',
): Promise<NativeResult | NativeResult[]> {
  if (parameters === undefined) return connection.query(cypher)
  const statement = await connection.prepare(cypher)
  const readOnly = mode === 'write' || (statement.isSuccess() && statement.isReadOnly())
  if (!readOnly && (statement.isSuccess() || /read-only transaction/.test(statement.getErrorMessage())))
    throw new Error('it would change the graph (queries only read)')
  if (!statement.isSuccess()) throw new Error(statement.getErrorMessage())
  return connection.execute(statement, { ...parameters })
}

function exactResult(result: NativeResult): ExactResult {
  const names = result.getColumnNamesSync()
  const types = new Map(result.getColumnDataTypesSync().map((type, i) => [names[i]!, type]))
  const rows = result.getAllSync()
  const exactly = (row: GraphRow): GraphRow =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, exact(name, types.get(name) ?? '', value)]))
  return { rows: rows.map(exactly), types }
}

/** The client gives INT64 as a double: it is exact up to 2^53, and beyond that refused. */
function exact(name: string, type: string, value: unknown): unknown {
  if (/DOUBLE|FLOAT/.test(type)) return value
  if (isLossy(value)) throw lossy(name)
  return /^U?INT\d+$|^SERIAL$/.test(type) && typeof value === 'number' ? BigInt(value) : value
}

function isLossy(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  if (Array.isArray(value)) return value.some(isLossy)
  return value !== null && typeof value === 'object' && Object.values(value).some(isLossy)
}

function lossy(name: string): MillraceError {
  return new MillraceError(
    'SINK_FAILED',
    `graph query: column ${name} holds a number beyond 2^53, which would not be exact (return CAST(... AS STRING))`,
    { context: { column: name } },
  )
}
