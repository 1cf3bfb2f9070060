/** The ready queries of the entertainment platform: files of SQL whose head says what they answer, and what their parameters are. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { valueProblems } from '../connectors/olap/parameters.ts'
import type { OlapParameters } from '../connectors/olap/store.ts'

/** One ready query. */
export interface ReadyQuery {
  readonly name: string
  /** What it answers. */
  readonly answers: string
  readonly parameters: readonly ReadyParameter[]
  /** The whole file. */
  readonly sql: string
}

/** A parameter of a ready query. */
export interface ReadyParameter {
  readonly name: string
  /** Its value where none is given. */
  readonly fallback: string
  /** The smallest number that makes sense, where not all of its type do. */
  readonly least?: number
  readonly help: string
}

const folder = join(import.meta.dirname, '../pipelines/entertainment/queries')

/** All of them, by name. */
export function readyQueries(): ReadyQuery[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'))
  return files.sort().map((file) => readyQuery(file.slice(0, -'.sql'.length), readFileSync(join(folder, file), 'utf8')))
}

/** Values where none are given. */
export function fallbacks({ parameters }: ReadyQuery): OlapParameters {
  return Object.fromEntries(parameters.map(({ name, fallback }) => [name, fallback]))
}

/** A line for each value that a query does not take, beginning with the parameter's name. */
export function parameterProblems({ parameters, sql }: ReadyQuery, given: OlapParameters): string[] {
  const known = new Map(parameters.map((parameter) => [parameter.name, parameter]))
  const takes = known.size === 0 ? 'it takes none' : `it takes ${[...known.keys()].join(', ')}`
  const unknown = Object.keys(given).filter((name) => !known.has(name))
  const small = Object.entries(given).filter(([name, value]) => Number(value) < (known.get(name)?.least ?? -Infinity))
  const wrong = valueProblems(sql, given)
  return [
    ...unknown.map((name) => `${name}: the query has no such parameter (${takes})`),
    ...wrong,
    ...small
      .filter(([name]) => !wrong.some((problem) => problem.startsWith(`${name}:`)))
      .map(([name, value]) => `${name}: must be at least ${known.get(name)!.least}, not ${JSON.stringify(value)}`),
  ]
}

/**
 * The head is the comment that the file begins with; a line `-- param <name> <value>: <what it is>` describes a parameter, and
 * `-- param <name> <value> from <least>: ...` one with a least value.
 */
function readyQuery(name: string, sql: string): ReadyQuery {
  const end = sql.search(/^(?!--)/m)
  const head = sql
    .slice(0, end)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(2).trim())
  const described = head.map((line) => /^param (\w+) (\S+?)(?: from (-?\d+))?: (.*)$/.exec(line))
  return {
    name,
    answers: head.filter((_, i) => described[i] === null).join(' '),
    parameters: described.flatMap((match) => (match === null ? [] : [parameterOf(match)])),
    sql,
  }
}

function parameterOf([, name, fallback, least, help]: readonly (string | undefined)[]): ReadyParameter {
  return { name: name!, fallback: fallback!, ...(least === undefined ? {} : { least: Number(least) }), help: help! }
}
