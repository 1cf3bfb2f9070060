/** The parameters of a query: `{name:Type}`, as ClickHouse writes them. Pure. */
import { MillraceError } from '../../engine/errors.ts'
import type { OlapParameters } from './store.ts'

/** One place in a query where a value goes. */
export interface Placeholder {
  readonly name: string
  readonly type: string
  /** Where it stands in the text, braces included. */
  readonly start: number
  readonly end: number
}

/** Comments, texts and quoted names; else what may be a parameter. */
const tokens =
  /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\]|\\[\s\S]|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\{\s*([A-Za-z_]\w*)\s*:\s*([A-Za-z_][\w(), ']*?)\s*\}/g

/** In the order of the text. What stands in comments, texts and quoted names is none. */
export function placeholders(sql: string): Placeholder[] {
  return [...sql.matchAll(tokens)].flatMap((match) => {
    const [all, name, type] = match
    if (name === undefined || type === undefined) return []
    return [{ name, type, start: match.index, end: match.index + all.length }]
  })
}

/** @throws MillraceError `CONFIG_INVALID`, a line for each value that is missing, has no place, or is none of its parameter's type */
export function checkParameters(sql: string, parameters: OlapParameters): void {
  const wanted = new Set(placeholders(sql).map(({ name }) => name))
  const missing = [...wanted].filter((name) => parameters[name] === undefined)
  const unknown = Object.keys(parameters).filter((name) => !wanted.has(name))
  const takes = wanted.size === 0 ? 'it takes none' : `it takes ${[...wanted].join(', ')}`
  const problems = [
    ...missing.map((name) => `--param ${name}: is needed (--param ${name}=<value>)`),
    ...unknown.map((name) => `--param ${name}: the query has no such parameter (${takes})`),
    ...valueProblems(sql, parameters).map((problem) => `--param ${problem}`),
  ]
  if (problems.length > 0) throw new MillraceError('CONFIG_INVALID', problems.join('; '), { problems })
}

/** A line for each value that is none of its parameter's type, beginning with the parameter's name. */
export function valueProblems(sql: string, parameters: OlapParameters): string[] {
  const problems = placeholders(sql).flatMap(({ name, type }) => {
    const given = parameters[name]
    const allowed = given === undefined ? null : notAllowed(given, type)
    return allowed === null ? [] : [`${name}: must be ${allowed}, not ${JSON.stringify(given)}`]
  })
  return [...new Set(problems)]
}

/** What a type allows, for a value that it does not; null for one that it does, and for types that only the engine knows. */
function notAllowed(given: string, type: string): string | null {
  const bits = /^U?Int(8|16|32|64)$/.exec(type)?.[1]
  if (bits !== undefined) return inRange(given, integerRange(type, BigInt(bits)))
  switch (type) {
    case 'Float32':
    case 'Float64':
      return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(given) ? null : 'a number'
    case 'Bool':
      return /^(true|false|0|1)$/.test(given) ? null : 'true or false'
    case 'Date':
    case 'Date32':
      return isDay(given) ? null : 'a day, as in 1999-12-31'
    case 'DateTime':
      return isDay(given.slice(0, 10)) && /^.{10}[ T]\d\d:\d\d:\d\d$/.test(given)
        ? null
        : 'a time in UTC, as in 1999-12-31 23:59:59'
    default:
      return null
  }
}

function integerRange(type: string, bits: bigint): readonly [bigint, bigint] {
  const half = 2n ** (bits - 1n)
  return type.startsWith('U') ? [0n, 2n * half - 1n] : [-half, half - 1n]
}

function inRange(given: string, [least, most]: readonly [bigint, bigint]): string | null {
  const value = /^-?\d{1,20}$/.test(given) ? BigInt(given) : null
  return value !== null && value >= least && value <= most ? null : `a whole number from ${least} to ${most}`
}

function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const date = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
}
