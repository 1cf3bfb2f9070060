/** Checks an expression against the columns that it reads, and says what type it has. */
import { type Column, type DataType, formatType, sameType } from '../../engine/schema.ts'
import { resultType } from './signatures.ts'
import type { Expression } from './tree.ts'

/** Null where nothing is known: a bare null, an empty list, or what a reported problem left open. */
export type MaybeType = DataType | null

/** What an expression can refer to. */
export interface Scope {
  readonly columns: readonly Column[]
  readonly variables: ReadonlyMap<string, MaybeType>
  /** Called once for every fault, with a line that says how to mend it. */
  readonly problem: (line: string) => void
}

/** The type of an expression over `columns`; every fault in it is reported, not only the first. */
export function typeOf(expression: Expression, columns: readonly Column[], problem: (line: string) => void): MaybeType {
  return infer(expression, { columns, variables: new Map(), problem })
}

function infer(expression: Expression, scope: Scope): MaybeType {
  switch (expression.op) {
    case 'column':
      return columnType(expression.path, scope)
    case 'field':
      return fieldType(infer(expression.of, scope), expression.name, scope)
    case 'variable':
      return variableType(expression.name, scope)
    case 'literal':
      return expression.type === 'null' ? null : expression.type
    case 'call': {
      const args = expression.args.map((arg) => infer(arg, scope))
      return resultType(expression.name, args, scope.problem)
    }
    case 'cast':
      infer(expression.of, scope)
      return expression.to
    case 'case':
      return caseType(expression, scope)
    case 'struct':
      return structType(expression, scope)
    case 'each':
      return eachType(expression, scope)
    case 'json-get':
    case 'json-shape':
      expectType(infer(expression.of, scope), 'string', `${expression.op} reads`, scope)
      return expression.to
    case 'json-judge':
    case 'utf8':
      expectType(infer(expression.of, scope), 'binary', `${expression.op} reads`, scope)
      return 'string'
  }
}

function columnType(path: readonly string[], scope: Scope): MaybeType {
  const found = scope.columns.find((column) => column.name === path[0])
  if (found === undefined) {
    scope.problem(`unknown column ${path[0]} (there are: ${scope.columns.map((column) => column.name).join(', ')})`)
    return null
  }
  return path.slice(1).reduce<MaybeType>((type, name) => fieldType(type, name, scope), found.type)
}

function fieldType(type: MaybeType, name: string, scope: Scope): MaybeType {
  if (type === null) return null
  if (typeof type === 'string' || type.kind !== 'struct') {
    scope.problem(`field ${name} is read from ${formatType(type)}, which is no struct`)
    return null
  }
  const found = type.fields.find((candidate) => candidate.name === name)
  if (found === undefined)
    scope.problem(`unknown field ${name} (there are: ${type.fields.map((candidate) => candidate.name).join(', ')})`)
  return found?.type ?? null
}

function variableType(name: string, scope: Scope): MaybeType {
  if (!scope.variables.has(name))
    scope.problem(`element ${name} is used outside its list function (use the argument inside the callback only)`)
  return scope.variables.get(name) ?? null
}

function caseType(expression: Extract<Expression, { op: 'case' }>, scope: Scope): MaybeType {
  for (const { when } of expression.branches) expectType(infer(when, scope), 'boolean', 'caseWhen tests', scope)
  const values = [...expression.branches.map(({ value }) => value), expression.otherwise]
  return resultType(
    'coalesce',
    values.map((value) => infer(value, scope)),
    (line) => scope.problem(line.replace('coalesce', 'caseWhen')),
  )
}

function structType(expression: Extract<Expression, { op: 'struct' }>, scope: Scope): MaybeType {
  const fields: Column[] = []
  for (const { name, value } of expression.fields) {
    const type = infer(value, scope)
    if (type === null) scope.problem(`field ${name} of a struct has no type (cast it)`)
    else fields.push({ name, type })
  }
  for (const line of nameProblems(fields.map((part) => part.name))) scope.problem(line)
  return fields.length === expression.fields.length ? { kind: 'struct', fields } : null
}

function eachType(expression: Extract<Expression, { op: 'each' }>, scope: Scope): MaybeType {
  const list = infer(expression.list, scope)
  const isList = list !== null && typeof list !== 'string' && list.kind === 'array'
  if (list !== null && !isList) scope.problem(`${expression.kind}List reads ${formatType(list)}, which is no list`)
  const variables = new Map(scope.variables).set(expression.variable, isList ? list.element : null)
  const body = infer(expression.body, { ...scope, variables })
  if (expression.kind === 'map') return body === null ? null : { kind: 'array', element: body }
  expectType(body, 'boolean', 'filterList tests', scope)
  return list
}

function expectType(type: MaybeType, wanted: DataType, what: string, scope: Scope): void {
  if (type !== null && !sameType(type, wanted))
    scope.problem(`${what} ${formatType(type)}, not ${formatType(wanted)} (cast it)`)
}

/** Names that cannot stand side by side: DuckDB, like most engines, does not tell upper from lower case. */
export function nameProblems(names: readonly string[]): string[] {
  const seen = new Map<string, string>()
  const problems: string[] = []
  for (const name of names) {
    const other = seen.get(name.toLowerCase())
    if (name === '' || name.includes('\0'))
      problems.push(`name ${JSON.stringify(name)} is empty or holds a NUL (rename)`)
    if (other !== undefined)
      problems.push(
        `names ${other} and ${name} are the same but for their case (engines do not tell them apart: rename one)`,
      )
    seen.set(name.toLowerCase(), name)
  }
  return problems
}
