/** What keeps sources and sinks from being opened, beside the columns that they read and get. Pure. */
import { nestedProblem, nestedWith } from '../connectors/delta/table-name.ts'
import type { SinkDescription } from '../engine/contracts.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import type { Place } from './place.ts'
import { kindProblems } from './served.ts'

/** What sources and sinks are held against. */
export interface Surroundings {
  readonly place: Pick<Place, 'kafka'>
  /** The pipelines that are checked, and those that write what they read. */
  readonly pipelines: readonly Pipeline[]
  /** Tables that are there. */
  readonly existing: readonly string[]
}

/** Whether there are connectors for all that a pipeline reads and writes. */
export function isServed({ sources, sinks }: Pipeline): boolean {
  const problems = [
    ...Object.values(sources).flatMap((source) => kindProblems('source', source)),
    ...sinks.flatMap((sink) => kindProblems('sink', sink)),
  ]
  return problems.length === 0
}

/** One line for each source that nobody serves, or that would stop at the first change of its table. */
export function inputProblems({ sources }: Pipeline, around: Surroundings): string[] {
  return Object.entries(sources).flatMap(([name, source]) => {
    const problems = kindProblems('source', source)
    if (source.kind === 'delta' && source.options.changeFeed !== true)
      problems.push(...rewritten(String(source.options.table), around))
    if (source.kind === 'kafka') problems.push(...embeddedNames(source.options, around))
    return problems.map((problem) => `source ${name}: ${problem}`)
  })
}

/** One line for each sink that nobody serves, or whose table would lie in or around another. */
export function targetProblems({ sinks }: Pipeline, around: Surroundings): string[] {
  return sinks.flatMap((sink) => {
    const problems = kindProblems('sink', sink)
    if (sink.kind === 'delta') problems.push(...nested(String(sink.options.table), around))
    if (sink.kind === 'kafka') problems.push(...embeddedNames(sink.options, around))
    return problems.map((problem) => `sink ${sink.writes}: ${problem}`)
  })
}

function rewritten(table: string, { pipelines }: Surroundings): string[] {
  const changes = ({ kind, options }: SinkDescription) =>
    kind === 'delta' && options.table === table && options.mode !== 'append'
  const writer = pipelines.find(({ sinks }) => sinks.some(changes))
  if (writer === undefined) return []
  return [
    `reads what is added to table ${table}, in which pipeline ${writer.name} changes and deletes rows (read its changes: changeFeed: true)`,
  ]
}

function nested(table: string, { pipelines, existing }: Surroundings): string[] {
  if (existing.includes(table)) return [] // it is only written further
  const written = pipelines.flatMap(({ sinks }) => sinks.filter(({ kind }) => kind === 'delta'))
  const others = new Set([...existing, ...written.map(({ options }) => String(options.table))])
  return nestedWith(table, others).map((other) => nestedProblem(table, other))
}

/** The embedded log keeps names that begin with `_` for itself. */
function embeddedNames(options: SinkDescription['options'], { place }: Surroundings): string[] {
  if (place.kafka !== null) return []
  const names = [options.topic ?? [], options.topics ?? []].flat().map(String)
  return names
    .filter((name) => name.startsWith('_'))
    .map((name) => `topic ${name}: the embedded log takes no name that begins with _ (choose another)`)
}
