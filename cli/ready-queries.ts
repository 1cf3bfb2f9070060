/** The ready queries of the entertainment platform: files of SQL whose head says what they answer, and what their parameters are. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OlapParameters } from '../connectors/olap/store.ts'

/** One ready query. */
export interface ReadyQuery {
  readonly name: string
  /** What it answers. */
  readonly answers: string
  readonly parameters: readonly { readonly name: string; readonly fallback: string; readonly help: string }[]
  /** The whole file. */
  readonly sql: string
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

/** The head is the comment that the file begins with; a line `-- param <name> <value>: <what it is>` describes a parameter. */
function readyQuery(name: string, sql: string): ReadyQuery {
  const end = sql.search(/^(?!--)/m)
  const head = sql
    .slice(0, end)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(2).trim())
  const described = head.map((line) => /^param (\w+) (\S+): (.*)$/.exec(line))
  return {
    name,
    answers: head.filter((_, i) => described[i] === null).join(' '),
    parameters: described.flatMap((match) =>
      match === null ? [] : [{ name: match[1]!, fallback: match[2]!, help: match[3]! }],
    ),
    sql,
  }
}
