/** The rules that make sources, steps and sinks a runnable graph. Pure. */
import type { SinkDescription, Step } from './contracts.ts'
import type { Pipeline } from './pipeline.ts'
import { readsTarget, sharedTarget } from './targets.ts'

/** Suffix of the fork that carries a step's rejected rows. */
export const rejectedSuffix = '.rejected'

/** Appends one line per broken rule, each saying how to mend it. */
export function checkGraph(pipeline: Pipeline, problems: string[]): void {
  const known = new Set(Object.keys(pipeline.sources))
  for (const [name, source] of Object.entries(pipeline.sources))
    for (const problem of source.problems ?? []) problems.push(`source ${name}: ${problem}`)
  for (const step of pipeline.steps) {
    checkStep(step, known, problems)
    known.add(step.id)
  }
  for (const sink of pipeline.sinks) checkSink(sink, pipeline, known, problems)
  checkDeadLetters(pipeline, problems)
  checkUnread(pipeline, problems)
  checkSources(pipeline, problems)
  checkTargets(pipeline, problems)
}

/** Of what its maker found wrong nothing else is known. */
function isSound({ problems = [] }: { readonly problems?: readonly string[] }): boolean {
  return problems.length === 0
}

function checkStep(step: Pipeline['steps'][number], known: ReadonlySet<string>, problems: string[]): void {
  if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(step.id))
    problems.push(`step ${JSON.stringify(step.id)}: an id is letters, digits, - or _, beginning with a letter`)
  if (known.has(step.id))
    problems.push(`step ${step.id}: the id is used twice (ids key state, metrics and dead letters: choose another)`)
  for (const problem of step.problems ?? []) problems.push(`step ${step.id}: ${problem}`)
  if (step.executor === 'columns' && step.from.length !== 1)
    problems.push(`step ${step.id}: ${step.kind} reads exactly one input, not ${step.from.length}`)
  for (const input of step.from)
    if (input.endsWith(rejectedSuffix))
      problems.push(`step ${step.id}: reads ${input}; rejected rows go to the dead letters only`)
    else if (!known.has(input))
      problems.push(`step ${step.id}: reads ${input}, which is no source and no earlier step (${listed(known)})`)
}

function checkSink(sink: SinkDescription, pipeline: Pipeline, known: ReadonlySet<string>, problems: string[]): void {
  for (const problem of sink.problems ?? []) problems.push(`sink: ${problem}`)
  if (!isSound(sink)) return
  for (const [input, step] of Object.entries(sink.inputs))
    if (step !== undefined && !known.has(step))
      problems.push(`sink ${sink.writes}: input ${input} reads ${step}, which is no step (${listed(known)})`)
    else if (step !== undefined && pipeline.sources[step]?.shape === 'table')
      problems.push(
        `sink ${sink.writes}: input ${input} reads the table ${step} directly (put a step between, such as select)`,
      )
}

function checkDeadLetters(pipeline: Pipeline, problems: string[]): void {
  const rejecting = pipeline.steps.filter((step) => step.rejects)
  if (rejecting.length > 0 && pipeline.deadLetters < 0)
    problems.push(
      `deadLetters: step ${rejecting[0]!.id} can reject rows (add deadLetters: delta({ table: 'dead_letters/…', mode: 'append' }))`,
    )
}

/** A step whose rows nobody reads is a mistake in a `from`, not a wish. */
function checkUnread(pipeline: Pipeline, problems: string[]): void {
  if (!pipeline.sinks.every(isSound)) return
  const read = new Set(pipeline.steps.flatMap((step) => step.from))
  for (const sink of pipeline.sinks)
    for (const step of Object.values(sink.inputs)) if (step !== undefined) read.add(step)
  for (const step of pipeline.steps)
    if (!read.has(step.id))
      problems.push(`step ${step.id}: no step and no sink reads it (name it in a from, or remove it)`)
  for (const name of Object.keys(pipeline.sources))
    if (!read.has(name)) problems.push(`source ${name}: no step reads it (name it in a from, or remove it)`)
}

/** A partition has one position in the pipeline, whichever source reads it. */
function checkSources(pipeline: Pipeline, problems: string[]): void {
  const sources = Object.entries(pipeline.sources).filter(([, source]) => isSound(source))
  for (const [i, [name, { reads }]] of sources.entries())
    for (const [other, earlier] of sources.slice(0, i)) {
      const shared = sharedTarget(earlier.reads, reads)
      if (shared !== null)
        problems.push(
          `source ${name}: reads ${shared}, which source ${other} reads as well (read it in one and let the steps of both start there)`,
        )
    }
}

function checkTargets(pipeline: Pipeline, problems: string[]): void {
  const seen = new Set<string>()
  const sources = Object.values(pipeline.sources).filter(isSound)
  for (const { writes } of pipeline.sinks.filter(isSound)) {
    if (seen.has(writes))
      problems.push(`sink ${writes}: two sinks of the pipeline write it (one position cannot serve both)`)
    if (sources.some(({ reads }) => readsTarget(reads, writes)))
      problems.push(`sink ${writes}: the pipeline also reads it, and would never end`)
    seen.add(writes)
  }
}

function listed(names: ReadonlySet<string>): string {
  return names.size === 0 ? 'there are none' : `there are: ${[...names].join(', ')}`
}

/** Steps and sinks that read a step or source, in order of definition. */
export function consumersOf(pipeline: Pipeline, id: string): readonly (Step | SinkDescription)[] {
  return [
    ...pipeline.steps.filter((step) => step.from.includes(id)),
    ...pipeline.sinks.filter((sink) => Object.values(sink.inputs).includes(id)),
  ]
}
