/** A pipeline as an outline for people. Pure. */
import type { Delivery, SinkDescription } from '../engine/contracts.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import type { Trigger } from '../engine/trigger.ts'

/** What a definition alone does not say. */
export interface Explained {
  readonly stages: readonly {
    readonly id: string
    readonly executor: 'columns' | 'relational'
    readonly inputs: readonly string[]
    readonly steps: readonly {
      readonly id: string
      readonly kind: string
      readonly from: readonly string[]
      /** Fields that are null where they are not as declared. */
      readonly nulled: readonly string[]
    }[]
    /** `step`, or `step.rejected` for its dead letters. */
    readonly outputs: readonly string[]
    /** Of a relational stage; null if nobody asked, or the columns that it reads are not known. */
    readonly sql: string | null
  }[]
  /** In the order of the commits. */
  readonly delivery: readonly { readonly writes: string; readonly delivery: Delivery }[]
}

/** Sources, stages, and sinks, in the order in which a batch passes them. Ends with an empty line. */
export function formatOutline(pipeline: Pipeline, explained: Explained, problems: readonly string[]): string {
  const { maxRecords, maxBytes, maxAgeMs } = pipeline.limits
  return [
    `pipeline ${pipeline.name}`,
    ...(pipeline.description === '' ? [] : [`  ${pipeline.description}`]),
    `  trigger      ${describeTrigger(pipeline.trigger)}`,
    `  a batch      at most ${maxRecords} records, ${maxBytes} bytes, ${maxAgeMs} ms of reading`,
    `  fingerprint  ${pipeline.fingerprint}`,
    '',
    'sources',
    ...Object.entries(pipeline.sources).map(
      ([name, { reads, shape, options }]) =>
        `  ${name}  ${reads} (${shape})${describeOptions(options, ['topic', 'table'])}`,
    ),
    '',
    ...explained.stages.flatMap((stage, i) => [...formatStage(stage, i + 1), '']),
    'sinks, in the order of their commits',
    ...pipeline.sinks.map((sink, i) => formatSink(pipeline, sink, i, explained)),
    '',
    ...(problems.length === 0 ? [] : ['problems', ...problems.map((problem) => `  ${problem}`), '']),
  ].join('\n')
}

function describeTrigger(trigger: Trigger): string {
  switch (trigger.kind) {
    case 'every':
      return `every ${trigger.ms / 1000} s`
    case 'available-now':
      return 'what is there now, then the end'
    case 'once':
      return 'one batch, then the end'
  }
}

function describeOptions(options: SinkDescription['options'], without: readonly string[]): string {
  const shown = Object.entries(options).filter(
    ([name, value]) => !without.includes(name) && value !== undefined && (typeof value !== 'object' || isFlat(value)),
  )
  return shown.map(([name, value]) => `  ${name} ${Array.isArray(value) ? value.join(', ') : String(value)}`).join('')
}

function isFlat(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function formatStage({ executor, inputs, steps, outputs, sql }: Explained['stages'][number], number: number): string[] {
  const runsOn = executor === 'relational' ? 'one SQL statement per output' : 'Arrow columns, in worker threads'
  const width = Math.max(0, ...steps.map(({ id }) => id.length))
  const kinds = Math.max(0, ...steps.map(({ kind }) => kind.length))
  return [
    `stage ${number}: ${executor} (${runsOn})`,
    `  reads ${inputs.join(', ')}`,
    ...steps.map(
      ({ id, kind, from, nulled }) =>
        `  ${id.padEnd(width)}  ${kind.padEnd(kinds)}  from ${from.join(', ')}${nulled.length === 0 ? '' : `  null where invalid: ${nulled.join(', ')}`}`,
    ),
    `  gives ${outputs.join(', ')}`,
    ...(sql === null ? [] : ['', ...sql.split('\n').map((line) => (line === '' ? '' : `    ${line}`))]),
  ]
}

function formatSink(pipeline: Pipeline, sink: SinkDescription, index: number, { delivery }: Explained): string {
  const from =
    index === pipeline.deadLetters
      ? 'every rejected row'
      : [...new Set(Object.values(sink.inputs))].map((step) => String(step)).join(', ')
  const last = index === pipeline.sinks.length - 1 ? ', primary' : ''
  const options = describeOptions(sink.options, ['table', 'topic', 'namespace', 'owners', 'upserts', 'deletes'])
  return `  ${index + 1}. ${sink.writes}  ${delivery[index]?.delivery ?? ''}${last}  from ${from}${options}`
}
