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

/** @throws MillraceError `CONFIG_INVALID`, a line for each value that is missing or has no place */
export function checkParameters(sql: string, parameters: OlapParameters): void {
  const wanted = new Set(placeholders(sql).map(({ name }) => name))
  const missing = [...wanted].filter((name) => parameters[name] === undefined)
  const unknown = Object.keys(parameters).filter((name) => !wanted.has(name))
  const takes = wanted.size === 0 ? 'it takes none' : `it takes ${[...wanted].join(', ')}`
  const problems = [
    ...missing.map((name) => `--param ${name}: is needed (--param ${name}=<value>)`),
    ...unknown.map((name) => `--param ${name}: the query has no such parameter (${takes})`),
  ]
  if (problems.length > 0) throw new MillraceError('CONFIG_INVALID', problems.join('; '), { problems })
}
