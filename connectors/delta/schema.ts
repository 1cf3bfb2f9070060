/** Table schemas (PROTOCOL.md, "Schema Serialization Format"): to and from columns, and how they may grow. */
import { MillraceError } from '../../engine/errors.ts'
import type { Column, DataType, StructType } from '../../engine/schema.ts'
import { formatType, isPrimitive, sameType } from '../../engine/schema.ts'
import { parseJson, printJson } from './int64-json.ts'

/** A field as it stands in the log: whatever else its writer put there is kept. */
export interface FieldJson {
  readonly name: string
  readonly type: unknown
  readonly nullable?: boolean
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** A type that is no plain name, as the log spells it. */
export type TypeJson = Readonly<Record<string, unknown>>

/**
 * The columns of a `schemaString`. `TABLE_CORRUPT` if it is no schema, `TABLE_UNSUPPORTED` naming a type that we do not
 * know.
 */
export function parseSchema(schemaString: string): Column[] {
  return fieldsOf(parseRoot(schemaString)).map((field) => ({
    name: field.name,
    type: fieldType(field.type, field.name),
  }))
}

/** The `schemaString` of columns, nullable but for those that are named. */
export function printSchema(columns: readonly Column[], notNull: readonly string[] = []): string {
  const { fields, ...struct } = structJson(columns)
  return printJson({
    ...struct,
    fields: fields.map((field) => (notNull.includes(field.name) ? { ...field, nullable: false } : field)),
  })
}

/**
 * The `schemaString` after the columns grew to `columns` (a result of {@link evolveSchema}): what is there already is
 * kept as it stands, field metadata included.
 */
export function printEvolvedSchema(schemaString: string, columns: readonly Column[]): string {
  return printJson(growStruct(parseRoot(schemaString), columns))
}

/** What the arriving columns make of a table's: nothing, or more nullable columns at the end of their struct. */
export type SchemaEvolution =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'evolved'; readonly columns: readonly Column[] }

/**
 * Fits arriving columns into a table: missing ones are null, new ones are added, also inside structs in structs, arrays
 * and map values. `SCHEMA_MISMATCH` naming column and both types if one has another type, and for a new name that
 * differs from an old one in case only, which other readers cannot tell apart.
 */
export function evolveSchema(table: readonly Column[], incoming: readonly Column[]): SchemaEvolution {
  const columns = growFields(table, incoming, [])
  return columns === table ? { kind: 'unchanged' } : { kind: 'evolved', columns }
}

/** Every field of a schema, nested ones too, with its path and what the log says of it. */
export function* schemaFields(schemaString: string): Generator<SchemaField> {
  yield* walkFields(parseRoot(schemaString), '')
}

/** One field of a schema as the log spells it, nested ones included. */
export interface SchemaField {
  /** `a.b`, `a.element.b`: for messages. */
  readonly path: string
  readonly type: unknown
  /** Whether nulls are allowed in it and in the array elements or map values directly inside. */
  readonly nullable: boolean
  readonly metadata: Readonly<Record<string, unknown>>
}

// ---------------------------------------------------------------------------------------------- parse and print

/** The struct of a `schemaString`. `TABLE_CORRUPT` if there is none. */
export function parseRoot(schemaString: string): TypeJson {
  let root: unknown
  try {
    root = parseJson(schemaString)
  } catch (cause) {
    throw new MillraceError('TABLE_CORRUPT', 'table schema is not JSON (restore the log)', { cause })
  }
  if (isObject(root) && root.type === 'struct' && Array.isArray(root.fields)) return shallow(root)
  throw new MillraceError('TABLE_CORRUPT', 'table schema is not a struct (restore the log)')
}

const deepest = 500

/** The root itself, if walking it takes no more stack than there is: a level of types is up to three of JSON. */
function shallow(root: TypeJson): TypeJson {
  let level: unknown[] = [root]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > deepest)
      throw new MillraceError(
        'TABLE_UNSUPPORTED',
        `table schema is nested more than ${deepest} levels deep (flatten it)`,
      )
    level = level.flatMap((each) => (each !== null && typeof each === 'object' ? Object.values(each) : []))
  }
  return root
}

/** The fields of a struct. `TABLE_CORRUPT` if they are malformed. */
export function fieldsOf(struct: TypeJson): FieldJson[] {
  if (Array.isArray(struct.fields) && struct.fields.every(isField)) return struct.fields
  throw new MillraceError('TABLE_CORRUPT', 'table schema has a struct without proper fields (restore the log)')
}

function isField(field: unknown): field is FieldJson {
  return isObject(field) && typeof field.name === 'string' && field.type !== undefined
}

/** Whether a type has parts. */
export function isObject(value: unknown): value is TypeJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Spark's `void` is the type of columns that hold nothing but nulls. No file has them. */
function fieldType(type: unknown, path: string): DataType {
  return type === 'void' ? 'string' : parseType(type, path)
}

function parseType(type: unknown, path: string): DataType {
  if (typeof type === 'string') return parsePrimitive(type, path)
  if (!isObject(type)) throw unsupported(type, path)
  switch (type.type) {
    case 'struct':
      return {
        kind: 'struct',
        fields: fieldsOf(type).map(({ name, type: inner }) => ({ name, type: fieldType(inner, `${path}.${name}`) })),
      }
    case 'array':
      return { kind: 'array', element: parseType(type.elementType, `${path}.element`) }
    case 'map':
      return {
        kind: 'map',
        key: parseType(type.keyType, `${path}.key`),
        value: parseType(type.valueType, `${path}.value`),
      }
    default:
      throw unsupported(type.type, path)
  }
}

function parsePrimitive(type: string, path: string): DataType {
  if (isPrimitive(type)) return type
  const decimal = /^decimal\((\d+), ?(\d+)\)$/.exec(type)
  if (decimal !== null) {
    const [precision, scale] = [Number(decimal[1]), Number(decimal[2])]
    if (precision >= 1 && precision <= 38 && scale <= precision) return { kind: 'decimal', precision, scale }
  }
  throw unsupported(type, path)
}

function unsupported(type: unknown, path: string): MillraceError {
  const name = typeof type === 'string' ? type : printJson(type ?? null)
  return new MillraceError('TABLE_UNSUPPORTED', `column ${path} has the type ${name}, which is not supported`)
}

function structJson(fields: readonly Column[]): TypeJson & { readonly fields: readonly FieldJson[] } {
  return {
    type: 'struct',
    fields: fields.map(({ name, type }) => ({ name, type: typeJson(type), nullable: true, metadata: {} })),
  }
}

function typeJson(type: DataType): unknown {
  if (typeof type === 'string') return type
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'array':
      return { type: 'array', elementType: typeJson(type.element), containsNull: true }
    case 'map':
      return { type: 'map', keyType: typeJson(type.key), valueType: typeJson(type.value), valueContainsNull: true }
    case 'struct':
      return structJson(type.fields)
  }
}

// ---------------------------------------------------------------------------------------------- evolution

function growStruct(struct: TypeJson, columns: readonly Column[]): TypeJson {
  const known = new Map(fieldsOf(struct).map((field) => [field.name, field]))
  const fields = columns.map(({ name, type }) => {
    const field = known.get(name)
    return field === undefined
      ? { name, type: typeJson(type), nullable: true, metadata: {} }
      : { ...field, type: growType(field.type, type) }
  })
  return { ...struct, fields }
}

function growType(json: unknown, type: DataType): unknown {
  if (!isObject(json) || typeof type === 'string') return json
  if (type.kind === 'struct') return growStruct(json, type.fields)
  if (type.kind === 'array') return { ...json, elementType: growType(json.elementType, type.element) }
  if (type.kind === 'map') return { ...json, valueType: growType(json.valueType, type.value) }
  return json
}

/** The same array if nothing is new. */
function growFields(table: readonly Column[], incoming: readonly Column[], path: readonly string[]): readonly Column[] {
  const arriving = new Map(incoming.map((column) => [column.name, column]))
  const grown = table.map((column) => {
    const other = arriving.get(column.name)
    if (other === undefined) return column
    const type = merge(column.type, other.type, [...path, column.name])
    return type === column.type ? column : { name: column.name, type }
  })
  const names = new Set(table.map((column) => column.name))
  const added = incoming.filter((column) => !names.has(column.name))
  for (const column of added) refuseSameLetters(column, table, path)
  return added.length === 0 && grown.every((column, i) => column === table[i]) ? table : [...grown, ...added]
}

function merge(table: DataType, incoming: DataType, path: readonly string[]): DataType {
  if (typeof table === 'object' && typeof incoming === 'object') {
    if (table.kind === 'struct' && incoming.kind === 'struct') return mergeStructs(table, incoming, path)
    if (table.kind === 'array' && incoming.kind === 'array') {
      const element = merge(table.element, incoming.element, [...path, 'element'])
      return element === table.element ? table : { ...table, element }
    }
    if (table.kind === 'map' && incoming.kind === 'map' && sameType(table.key, incoming.key)) {
      const value = merge(table.value, incoming.value, [...path, 'value'])
      return value === table.value ? table : { ...table, value }
    }
  }
  if (sameType(table, incoming)) return table
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `column ${path.join('.')} is ${formatType(table)} in the table and ${formatType(incoming)} in the rows ` +
      '(cast it in the step that makes it, or write to a new table)',
    { context: { column: path.join('.'), table: formatType(table), rows: formatType(incoming) } },
  )
}

function mergeStructs(table: StructType, incoming: StructType, path: readonly string[]): StructType {
  const fields = growFields(table.fields, incoming.fields, path)
  return fields === table.fields ? table : { kind: 'struct', fields }
}

function refuseSameLetters(column: Column, table: readonly Column[], path: readonly string[]): void {
  const twin = table.find((other) => other.name.toLowerCase() === column.name.toLowerCase())
  if (twin === undefined) return
  const [arriving, existing] = [column.name, twin.name].map((name) => [...path, name].join('.'))
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `column ${arriving} (${formatType(column.type)}) differs from the table's ${existing} (${formatType(twin.type)}) ` +
      'in case only (rename it in the step that makes it)',
    { context: { column: arriving, existing } },
  )
}

function* walkFields(struct: TypeJson, prefix: string): Generator<SchemaField> {
  for (const field of fieldsOf(struct)) {
    const path = `${prefix}${field.name}`
    const inner = isObject(field.type) ? field.type : {}
    const nullable = field.nullable !== false && inner.containsNull !== false && inner.valueContainsNull !== false
    yield { path, type: field.type, nullable, metadata: field.metadata ?? {} }
    yield* walkType(field.type, path)
  }
}

function* walkType(type: unknown, path: string): Generator<SchemaField> {
  if (!isObject(type)) return
  if (type.type === 'struct') yield* walkFields(type, `${path}.`)
  if (type.type === 'array') yield* walkType(type.elementType, `${path}.element`)
  if (type.type === 'map') {
    yield* walkType(type.keyType, `${path}.key`)
    yield* walkType(type.valueType, `${path}.value`)
  }
}
