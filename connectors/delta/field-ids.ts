/**
 * Tables whose columns are found by the ids of Parquet fields (PROTOCOL.md, "Column Mapping", mode `id`): names in their files mean nothing,
 * and may be those of other columns.
 */
import { type Duckdb, exactPaths } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column, DataType } from '../../engine/schema.ts'
import type { MetaData } from './actions.ts'
import { mappingMode, physicalColumns } from './column-mapping.ts'
import { type FieldJson, fieldsOf, isObject, parseRoot } from './schema.ts'

/** What the names in files are looked up for. */
export interface FieldIdOptions {
  readonly metaData: MetaData
  /** Columns of the table that are read. */
  readonly columns: readonly Column[]
  /** Asked for only where the mode is `id`. */
  readonly duckdb: () => Promise<Duckdb>
}

/** A file with the columns that are read as it names them. */
type Named<File> = File & { readonly physical?: readonly Column[] }

/** A field of a Parquet file's schema. */
interface FileField {
  readonly name: string
  readonly id: bigint | null
  readonly children: readonly FileField[]
}

/**
 * The files with the names that each has for `columns`; as they are where the table's mode is not `id`. `TABLE_CORRUPT` for a file without ids,
 * which the mode needs.
 */
export async function withFieldIds<File extends { readonly path: string }>(
  { metaData, columns, duckdb }: FieldIdOptions,
  files: readonly File[],
): Promise<readonly Named<File>[]> {
  if (mappingMode(metaData) !== 'id' || files.length === 0) return files
  const fields = fieldsOf(parseRoot(metaData.schemaString))
  const inLog = physicalColumns(metaData, columns) // also of partition columns, whose values come from the log
  const isStored = columns.map(({ name }) => !metaData.partitionColumns.includes(name))
  const known = new Map<string, readonly Column[]>() // files of one schema share one object
  const database = await duckdb()
  const named: Named<File>[] = []
  for (const file of files) {
    const stored = await fileFields(database, file.path)
    if (!stored.some(hasId)) throw withoutIds(file.path)
    const physical = columnsIn(stored, columns, fields).map((inFile, i) => (isStored[i] ? inFile : inLog[i]!))
    const key = JSON.stringify(physical)
    if (!known.has(key)) known.set(key, physical)
    named.push({ ...file, physical: known.get(key)! })
  }
  return named
}

function hasId({ id, children }: FileField): boolean {
  return id !== null || children.some(hasId)
}

function columnsIn(stored: readonly FileField[], columns: readonly Column[], fields: readonly FieldJson[]): Column[] {
  return columns.map(({ name, type }, i) => {
    const field = fields.find((each) => each.name === name)
    const id = field?.metadata?.['delta.columnMapping.id']
    const found = stored.find((each) => each.id !== null && String(each.id) === String(id))
    if (found === undefined) return { name: absent(i), type }
    return { name: found.name, type: typeIn(found, type, field?.type) }
  })
}

/** A name that no file has: the column is null. */
function absent(i: number): string {
  return `__millrace_absent_${i}`
}

function typeIn(stored: FileField, type: DataType, json: unknown): DataType {
  if (typeof type === 'string' || !isObject(json)) return type
  switch (type.kind) {
    case 'struct':
      return { kind: 'struct', fields: columnsIn(stored.children, type.fields, fieldsOf(json)) }
    case 'array':
      return { kind: 'array', element: typeIn(elementOf(stored), type.element, json.elementType) }
    case 'map': {
      const [key, value] = stored.children[0]?.children ?? []
      if (key === undefined || value === undefined) return type
      return { kind: 'map', key: typeIn(key, type.key, json.keyType), value: typeIn(value, type.value, json.valueType) }
    }
    case 'decimal':
      return type
  }
}

/** Parquet format, "Lists", backward compatibility rules: lists of two levels name their only group so, or give it several fields. */
function elementOf(list: FileField): FileField {
  const [repeated] = list.children
  if (repeated === undefined) return list
  const isElement =
    repeated.children.length !== 1 || repeated.name === 'array' || repeated.name === `${list.name}_tuple`
  return isElement ? repeated : repeated.children[0]!
}

async function fileFields(duckdb: Duckdb, path: string): Promise<readonly FileField[]> {
  const rows = await duckdb.withConnection((connection) =>
    connection.rows(`SELECT name, num_children, field_id FROM parquet_schema(${exactPaths([path])})`),
  )
  let next = 0
  const take = (): FileField => {
    const { name, num_children: count, field_id: id } = rows[next]!
    next += 1
    const children = Array.from({ length: Number(count ?? 0) }, take)
    return { name: String(name), id: id === null || id === undefined ? null : BigInt(String(id)), children }
  }
  return rows.length === 0 ? [] : take().children
}

function withoutIds(path: string): MillraceError {
  return new MillraceError(
    'TABLE_CORRUPT',
    `${path} has no field ids, and the table finds its columns by them (column mapping id): rewrite the file with the engine that made it`,
  )
}
