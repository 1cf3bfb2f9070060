/** What an author writes: a pipeline as data, checked as a whole before anything is opened. */
import { createHash } from 'node:crypto'
import type { Json, Limits, SinkDescription, SourceDescription, Step } from './contracts.ts'
import { MillraceError } from './errors.ts'
import { checkGraph } from './graph.ts'
import type { Pipeline } from './pipeline.ts'
import { plainCopy } from './plain-data.ts'
import { deadLetterColumns } from './record.ts'
import { examine, isObject, shown } from './shape.ts'
import { specShape } from './spec-shape.ts'
import { every, isTrigger, type Trigger } from './trigger.ts'

/** What an author writes down; what is left out gets a default. */
export interface PipelineSpec {
  /** Lower case letters, digits, `-` and `_`. Part of every position: renaming a pipeline starts it anew. */
  readonly name: string
  readonly description?: string
  /** The one source, which steps call `source`; or several by name. */
  readonly source?: SourceDescription
  readonly sources?: { readonly [name: string]: SourceDescription }
  readonly steps?: readonly Step[]
  /** The primary sink: committed last, its position is the pipeline's. */
  readonly sink: SinkDescription
  /** Further sinks of the same batch, committed in this order, before the primary. */
  readonly sinks?: readonly SinkDescription[]
  /** Where rejected records go; required as soon as a step can reject any. */
  readonly deadLetters?: SinkDescription
  /** Default: every 5 seconds. */
  readonly trigger?: Trigger
  readonly limits?: Partial<Limits>
}

/** Limits of a batch where the definition names none. */
export const defaultLimits: Limits = { maxRecords: 100_000, maxBytes: 64 * 2 ** 20, maxAgeMs: 10_000 }

/**
 * Checks a definition and freezes it. Connects to nothing.
 * @throws MillraceError `DEFINITION_INVALID`, whatever is given, whose `problems` list every fault at once, one line each with its fix.
 */
export function definePipeline(spec: PipelineSpec): Pipeline {
  const { value, problems: faults } = examine(spec, specShape)
  if (value === undefined) throw misshapen(spec, faults)
  const problems: string[] = []
  const sources = value.sources ?? (value.source === undefined ? {} : { source: value.source })
  checkHead(value, problems)
  const pipeline = normalise(value, sources)
  checkGraph(pipeline, problems)
  if (problems.length > 0) throw refusal(nameOf(value), problems)
  return deepFreeze(pipeline)
}

/** Parts that are no parts, together with what the makers of the others found. */
function misshapen(spec: unknown, faults: readonly string[]): MillraceError {
  const copy = plainCopy(spec)
  const given = 'value' in copy && isObject(copy.value) ? copy.value : {}
  const { source, sources, steps, sink, sinks, deadLetters } = given
  const parts = [source, sources, steps, sink, sinks, deadLetters].flatMap((part) => [part, ...partsOf(part)])
  const found = parts.flatMap((part) => (isObject(part) && Array.isArray(part.problems) ? part.problems : []))
  return refusal(nameOf(given), [...faults, ...found.filter((line) => typeof line === 'string')])
}

function partsOf(part: unknown): readonly unknown[] {
  return typeof part === 'object' && part !== null ? Object.values(part) : []
}

function nameOf({ name }: { readonly name?: unknown }): string {
  return typeof name === 'string' && name !== '' ? name.slice(0, 100) : 'without a name'
}

function refusal(name: string, problems: readonly string[]): MillraceError {
  return new MillraceError(
    'DEFINITION_INVALID',
    `pipeline ${name} is not valid: ${problems.length} problem${problems.length === 1 ? '' : 's'}\n${problems.map((p) => `  ${p}`).join('\n')}`,
    { problems: problems.map((problem) => `${name}: ${problem}`) },
  )
}

function checkHead(spec: PipelineSpec, problems: string[]): void {
  if (typeof spec.name !== 'string' || !/^[a-z][a-z0-9_-]{0,99}$/.test(spec.name))
    problems.push(`name: ${shown(spec.name)} must be lower case letters, digits, - or _, beginning with a letter`)
  if ((spec.source === undefined) === (spec.sources === undefined))
    problems.push('source: give either one source, or sources by name')
  if (spec.sink === undefined) problems.push('sink: a pipeline needs a primary sink, such as delta({ table, mode })')
  if (spec.trigger !== undefined && !isTrigger(spec.trigger))
    problems.push('trigger: must be every({ seconds }) with seconds > 0, availableNow() or once()')
  for (const [name, value] of Object.entries(spec.limits ?? {}))
    if (!(name in defaultLimits))
      problems.push(`limits.${name}: unknown (known: ${Object.keys(defaultLimits).join(', ')})`)
    else if (!Number.isSafeInteger(value) || value <= 0) problems.push(`limits.${name}: must be a whole number above 0`)
}

function normalise(spec: PipelineSpec, sources: Pipeline['sources']): Pipeline {
  const sourceNames = Object.keys(sources)
  let previous = sourceNames[0] ?? 'source'
  const steps = (spec.steps ?? []).map((step) => {
    const from = step.from ?? [previous]
    previous = step.id
    return { ...step, from }
  })
  const bind = (sink: SinkDescription): SinkDescription => ({
    ...sink,
    inputs: Object.fromEntries(Object.entries(sink.inputs).map(([input, step]) => [input, step ?? previous])),
  })
  const data = (spec.sinks ?? []).concat(spec.sink ?? []).map(bind)
  const deadLetters = spec.deadLetters
  const columns = deadLetterColumns as unknown as Json // the table is made before the first record is rejected
  const sinks =
    deadLetters === undefined
      ? data
      : [{ ...deadLetters, inputs: {}, options: { ...deadLetters.options, columns } }, ...data]
  return {
    name: spec.name,
    description: spec.description ?? '',
    sources,
    steps,
    sinks,
    deadLetters: spec.deadLetters === undefined ? -1 : 0,
    trigger: spec.trigger ?? every({ seconds: 5 }),
    limits: { ...defaultLimits, ...spec.limits },
    fingerprint: fingerprintOf({ sources, steps, sinks } as unknown as Json),
  }
}

/**
 * Stable under the order of keys and under where the checkout lies, so that only a change of meaning changes it: of a
 * module's file URL its name counts.
 */
function fingerprintOf(value: Json): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16)
}

function canonical(value: Json | undefined): string {
  if (value === undefined) return 'null'
  if (typeof value === 'string' && value.startsWith('file:')) return JSON.stringify(value.split('/').at(-1))
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const entries = Object.entries(value as { [key: string]: Json | undefined }).filter(([, v]) => v !== undefined)
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, v]) => `${JSON.stringify(key)}:${canonical(v)}`)
    .join(',')}}`
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of Object.values(value)) deepFreeze(child)
  }
  return value
}
