/** A schema as it stands in the log (PROTOCOL.md, "Schema Serialization Format"), malformed ones too. */
import { messageOf } from '../../../engine/errors.ts'
import { parseJson } from '../int64-json.ts'
import { isObject } from '../schema.ts'
import type { Report } from './finding.ts'
import { keyTwice } from './json-keys.ts'
import type { Fields } from './raw-action.ts'

/** One field, nested ones included. */
export interface LintField {
  /** Names from the top-level column; `element`, `key` and `value` stand for what is inside of lists and maps. */
  readonly path: readonly string[]
  /** The same as data files and statistics have it. */
  readonly physicalPath: readonly string[]
  readonly name: string
  readonly type: unknown
  readonly metadata: Fields
}

/** Null if there is no schema in the text. */
export function readSchema(schemaString: string, report: Report): LintField[] | null {
  try {
    const root = parseJson(schemaString)
    if (!isObject(root) || root.type !== 'struct') throw new Error('it is not a struct')
    const twice = keyTwice(schemaString)
    if (twice !== null) report('key-twice', `schemaString has the key ${twice} twice`)
    const fields: LintField[] = []
    walk(root, { path: [], physicalPath: [] }, fields)
    return fields
  } catch (error) {
    report('schema-malformed', `schemaString is no schema: ${messageOf(error)}`)
    return null
  }
}

type Parent = Pick<LintField, 'path' | 'physicalPath'>

function walk(type: unknown, parent: Parent, fields: LintField[]): void {
  if (typeof type === 'string') {
    assertPrimitive(type, parent)
    return
  }
  if (!isObject(type)) throw new Error(`${nameOf(parent)} has no type`)
  if (type.type === 'struct') {
    if (!Array.isArray(type.fields)) throw new Error(`${nameOf(parent)} has no fields`)
    for (const field of type.fields) walkField(field, parent, fields)
  } else if (type.type === 'array') walk(type.elementType, inside(parent, 'element'), fields)
  else if (type.type === 'map') {
    walk(type.keyType, inside(parent, 'key'), fields)
    walk(type.valueType, inside(parent, 'value'), fields)
  } else throw new Error(`${nameOf(parent)} is of no type that exists`)
}

function walkField(field: unknown, parent: Parent, fields: LintField[]): void {
  if (!isObject(field) || typeof field.name !== 'string')
    throw new Error(`${nameOf(parent)} has a field without a name`)
  const metadata = isObject(field.metadata) ? field.metadata : {}
  const physical = metadata['delta.columnMapping.physicalName']
  const path = [...parent.path, field.name]
  const physicalPath = [...parent.physicalPath, typeof physical === 'string' ? physical : field.name]
  fields.push({ path, physicalPath, name: field.name, type: field.type, metadata })
  walk(field.type, { path, physicalPath }, fields)
}

const primitives: ReadonlySet<string> = new Set(
  (
    'string long integer short byte float double boolean binary date timestamp timestamp_ntz variant void ' +
    // written by old Spark versions, and read by all
    'null interval calendarinterval'
  ).split(' '),
)

function assertPrimitive(type: string, parent: Parent): void {
  const decimal = /^decimal(\((\d+), *(-?\d+)\))?$/.exec(type)
  const fits =
    decimal !== null &&
    (decimal[1] === undefined || (Number(decimal[2]) <= 38 && Number(decimal[3]) <= Number(decimal[2])))
  if (!fits && !primitives.has(type) && !/^(string collate|char|varchar|geometry|geography)\b/.test(type))
    throw new Error(`${nameOf(parent)} is of the type ${type}, which does not exist`)
}

function inside({ path, physicalPath }: Parent, what: string): Parent {
  return { path: [...path, what], physicalPath: [...physicalPath, what] }
}

function nameOf({ path }: Parent): string {
  return path.length === 0 ? 'the table' : path.join('.')
}
