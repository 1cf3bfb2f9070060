/** The types of columns that rows show. Pure. */
import { MillraceError } from '../../engine/errors.ts'
import { type Column, type DataType, formatType } from '../../engine/schema.ts'

/** A row as a test writes it: values by column; what is missing is null. */
export type InputRow = Readonly<Record<string, unknown>>

/**
 * Columns that are there already, then others in the order in which rows first name them: whole numbers and bigints are `long`, other numbers `double`, a `Date` is a
 * `timestamp`, bytes are `binary`, lists and objects are arrays and structs.
 * @throws MillraceError `SCHEMA_MISMATCH` for values that differ in type, and for columns of which only nulls are given
 */
export function columnsOfRows(name: string, rows: readonly InputRow[], there: readonly Column[]): Column[] {
  const known = new Set(there.map((column) => column.name))
  const types = new Map<string, DataType | null>()
  for (const row of rows)
    for (const [column, value] of Object.entries(row))
      if (!known.has(column))
        types.set(column, joined(types.get(column) ?? null, typeOf(value), `${name}: column ${column}`))
  const shown = [...types].map(([column, type]) => {
    if (type === null) throw unclear(`${name}: column ${column} shows no type: it has nothing but nulls`)
    return { name: column, type: settled(type, `${name}: column ${column}`) }
  })
  return [...there, ...shown]
}

/** Stands for the type of an empty list's elements until another row shows it. */
const unknown: DataType = { kind: 'struct', fields: [] }

function typeOf(value: unknown): DataType | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return 'long'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'long' : 'double'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'string') return 'string'
  if (value instanceof Date) return 'timestamp'
  if (value instanceof Uint8Array) return 'binary'
  if (Array.isArray(value)) {
    const element = value.map(typeOf).reduce((all, each) => joined(all, each, 'a list'), null)
    return { kind: 'array', element: element ?? unknown }
  }
  const fields = Object.entries(value).flatMap(([field, each]) => {
    const type = typeOf(each)
    return type === null ? [] : [{ name: field, type }]
  })
  return { kind: 'struct', fields }
}

function joined(a: DataType | null, b: DataType | null, where: string): DataType | null {
  if (a === null || b === null) return a ?? b
  if (typeof a === 'string' && typeof b === 'string') {
    if (a === b) return a
    if ([a, b].every((type) => type === 'long' || type === 'double')) return 'double'
  } else if (typeof a !== 'string' && typeof b !== 'string') {
    if (a === unknown) return b
    if (b === unknown) return a
    if (a.kind === 'array' && b.kind === 'array')
      return { kind: 'array', element: joined(a.element, b.element, where)! }
    if (a.kind === 'struct' && b.kind === 'struct') {
      const types = new Map<string, DataType>()
      for (const { name, type } of [...a.fields, ...b.fields])
        types.set(name, joined(types.get(name) ?? null, type, `${where}.${name}`)!)
      return { kind: 'struct', fields: [...types].map(([name, type]) => ({ name, type })) }
    }
  }
  throw unclear(`${where} has values of two types: ${formatType(a)} and ${formatType(b)}`)
}

/** A type without parts that no row showed. */
function settled(type: DataType, where: string): DataType {
  if (typeof type === 'string' || type.kind === 'decimal' || type.kind === 'map') return type
  if (type.kind === 'array') return { kind: 'array', element: settled(type.element, where) }
  if (type.fields.length === 0) throw unclear(`${where} shows no type: its lists or objects are empty`)
  return { kind: 'struct', fields: type.fields.map(({ name, type }) => ({ name, type: settled(type, where) })) }
}

function unclear(problem: string): MillraceError {
  return new MillraceError('SCHEMA_MISMATCH', `${problem} (give the types: table({ id: 'long', ... }, [rows]))`)
}
