/**
 * The rules that a table has for its rows (PROTOCOL.md, "Column Invariants", "CHECK Constraints", and `nullable` in "Schema
 * Serialization Format"), as far as we can tell of every row whether it keeps them. Pure.
 */
import { identifier } from '../../../engine/duckdb.ts'
import type { Column } from '../../../engine/schema.ts'
import type { MetaData } from '../actions.ts'
import { parseJson } from '../int64-json.ts'
import { type FieldJson, fieldsOf, isObject, parseRoot, parseSchema, schemaFields, type TypeJson } from '../schema.ts'
import { Untranslatable } from './tokens.ts'
import { type Condition, translate } from './translate.ts'

/** A rule that is true of every row; false and null break it. */
export interface Constraint extends Condition {
  /** For messages: `check constraint positive (votes >= 0)`. */
  readonly name: string
  /** The top-level column, where the rule is that it holds no nulls. */
  readonly notNull?: string
}

/** A table's rules. */
export interface Constraints {
  readonly enforced: readonly Constraint[]
  /** Names of those that nobody here can judge: a table that has any must not be written. */
  readonly unknown: readonly string[]
}

const checkPrefix = 'delta.constraints.'
const invariantKey = 'delta.invariants'

/** Every commit asks; the metadata of a table is the same object until it changes. */
const known = new WeakMap<object, Constraints>()

/**
 * All rules of a table. Where a field of a struct may not be null, the struct may not be either, as Spark has it. Of what lies in
 * lists and maps nothing is judged.
 */
export function constraintsOf(metaData: MetaData): Constraints {
  const constraints = known.get(metaData) ?? find(metaData)
  known.set(metaData, constraints)
  return constraints
}

function find(metaData: MetaData): Constraints {
  const found: Finding = { enforced: [], unknown: [] }
  const rules = [...checksIn(metaData), ...invariantsIn(metaData)]
  const fields = fieldsOf(parseRoot(metaData.schemaString))
  notNull(fields, found)
  lengths(fields, found)
  if (rules.length === 0) return found
  const columns = parseSchema(metaData.schemaString)
  for (const { name, expression } of rules) {
    const condition = expression === null ? null : conditionOf(expression, columns)
    if (condition === null) found.unknown.push(name)
    else found.enforced.push({ name: `${name} (${expression})`, ...condition })
  }
  return found
}

/** The property that makes a check constraint. */
export function checkProperty(name: string): string {
  return `${checkPrefix}${name}`
}

/** Why an expression cannot be judged here, or null if it can. */
export function untranslatable(expression: string, columns: readonly Column[]): string | null {
  try {
    translate(expression, columns)
    return null
  } catch (error) {
    if (error instanceof Untranslatable) return error.message
    throw error
  }
}

interface Rule {
  readonly name: string
  /** Null: not to be read. */
  readonly expression: string | null
}

function conditionOf(expression: string, columns: readonly Column[]): Condition | null {
  return untranslatable(expression, columns) === null ? translate(expression, columns) : null
}

function checksIn({ configuration }: Pick<MetaData, 'configuration'>): Rule[] {
  return Object.entries(configuration)
    .filter(([key]) => key.startsWith(checkPrefix))
    .map(([key, expression]) => ({ name: `check constraint ${key.slice(checkPrefix.length)}`, expression }))
}

function invariantsIn({ schemaString }: Pick<MetaData, 'schemaString'>): Rule[] {
  return [...schemaFields(schemaString)]
    .filter(({ metadata }) => invariantKey in metadata)
    .map(({ path, metadata }) => ({ name: `invariant of column ${path}`, expression: invariantIn(metadata) }))
}

/** `{"expression": {"expression": "x > 3"}}`, as text in the field's metadata. */
function invariantIn(metadata: FieldJson['metadata']): string | null {
  try {
    const rule: unknown = parseJson(String(metadata?.[invariantKey]))
    const outer = isObject(rule) ? rule.expression : null
    const inner = isObject(outer) ? outer.expression : null
    return typeof inner === 'string' ? inner : null
  } catch {
    return null // unreadable: a rule that cannot be judged
  }
}

/** What a walk over a schema finds. */
interface Finding {
  readonly enforced: Constraint[]
  readonly unknown: string[]
}

/** Every field that is no part of a list or a map, with the names that lead to it. */
function* reachable(
  fields: readonly FieldJson[],
  parents: readonly string[] = [],
): Generator<FieldJson & { readonly names: readonly string[] }> {
  for (const field of fields) {
    const names = [...parents, field.name]
    yield { ...field, names }
    if (isObject(field.type) && field.type.type === 'struct') yield* reachable(fieldsOf(field.type), names)
  }
}

function notNull(fields: readonly FieldJson[], found: Finding): void {
  for (const { names, type, nullable } of reachable(fields)) {
    if (nullable === false)
      found.enforced.push({
        name: `not-null constraint of column ${names.join('.')}`,
        sql: `(${pathSql(names)} IS NOT NULL)`,
        columns: [names[0]!],
        ...(names.length === 1 ? { notNull: names[0]! } : {}),
      })
    if (isObject(type) && type.type !== 'struct' && holdsNotNull(type))
      found.unknown.push(`not-null constraint inside column ${names.join('.')}`)
  }
}

/** Where Spark keeps that a column was declared as `varchar(9)` or `char(9)`: its type in the schema is `string`. */
const declaredType = '__CHAR_VARCHAR_TYPE_STRING'

/** Lengths are counted in characters. Values of `char(n)` may be shorter: readers pad them. */
function lengths(fields: readonly FieldJson[], found: Finding): void {
  for (const { names, type, metadata } of reachable(fields)) {
    const declared = metadata?.[declaredType]
    if (typeof declared !== 'string') continue
    const rule = `length of column ${names.join('.')} (${declared})`
    const most = type === 'string' ? /^(?:var)?char\((\d+)\)$/.exec(declared)?.[1] : undefined
    if (most === undefined) found.unknown.push(rule)
    else
      found.enforced.push({
        name: rule,
        sql: `(length(${pathSql(names)}) <= ${most}) IS NOT FALSE`,
        columns: [names[0]!],
      })
  }
}

function pathSql([first, ...rest]: readonly string[]): string {
  return rest.reduce((sql, name) => `(${sql}).${identifier(name)}`, identifier(first!))
}

/** Whether anything inside a list or map may not be null. */
function holdsNotNull(type: TypeJson): boolean {
  if (type.containsNull === false || type.valueContainsNull === false) return true
  const inside = [type.elementType, type.keyType, type.valueType].filter(isObject)
  return inside.some((each) =>
    each.type === 'struct'
      ? fieldsOf(each).some((field) => field.nullable === false || (isObject(field.type) && holdsNotNull(field.type)))
      : holdsNotNull(each),
  )
}
