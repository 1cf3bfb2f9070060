/** `kafka({...})`: topics, served by a broker where one is configured and by the embedded log where none is. */
import type { SinkDescription, SourceDescription } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'

/** Which topics are read: one, several, or all whose whole name a regular expression matches, also later ones. */
export type TopicChoice =
  | { readonly topic: string }
  | { readonly topics: readonly string[] }
  | { readonly pattern: string }

/**
 * Where partitions begin that a pipeline has no position for: at the first record, at the end as it is when the run
 * starts, at the first record as new as a time (ISO 8601), or at offsets by source partition (`<topic>/<partition>`;
 * the others begin at the first record). A partition that is added later always begins at its first record, also if
 * it was added while nobody read.
 */
export type StartFrom =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: string }
  | { readonly offsets: { readonly [sourcePartition: string]: string | number } }

export type TopicOptions = TopicChoice & {
  /** Default `earliest`. */
  readonly startFrom?: StartFrom
  /** When records are gone before they were read: stop (default), or go on with the first that is kept. */
  readonly onDataLoss?: 'fail' | 'continue'
}

export interface TopicSinkOptions {
  readonly mode: 'append'
  /** Topic of every row; without it each row's column `topic` names one. Topics must exist. */
  readonly topic?: string
  /** Step whose rows are written; default the last one. */
  readonly from?: string
}

/**
 * Topics of raw records: with `mode` a sink, without one a source. A sink reads the columns `key`, `value`, `headers`,
 * `timestamp` and `topic`. `DEFINITION_INVALID` for options that make no sense, all of them at once.
 */
export function kafka(options: TopicSinkOptions): SinkDescription
export function kafka(options: TopicOptions): SourceDescription
export function kafka(options: TopicOptions | TopicSinkOptions): SourceDescription | SinkDescription {
  if ('mode' in options) {
    const { from, ...rest } = options
    const writes = rest.topic === undefined ? 'topics' : `topic:${rest.topic}`
    return { kind: 'kafka', writes, inputs: { rows: from }, options: rest }
  }
  const problems = problemsOf(options)
  if (problems.length > 0) throw new MillraceError('DEFINITION_INVALID', problems.join('\n'), { problems })
  return {
    kind: 'kafka',
    shape: 'records',
    reads: readsOf(options),
    options: { startFrom: 'earliest', ...options },
  }
}

function readsOf(choice: TopicChoice): string {
  if ('topic' in choice) return `topic:${choice.topic}`
  return 'topics' in choice ? `topics:${choice.topics.join(',')}` : `topics:/${choice.pattern}/`
}

function problemsOf(options: TopicOptions): string[] {
  const problems: string[] = []
  const given = ['topic', 'topics', 'pattern'].filter((name) => name in options)
  if (given.length !== 1)
    problems.push(`kafka: give one of topic, topics and pattern, not ${given.join(' and ') || 'none'}`)
  if ('topics' in options && options.topics.length === 0) problems.push('kafka: topics: name one at least')
  if ('pattern' in options) {
    const fault = patternFault(options.pattern)
    if (fault !== null) problems.push(`kafka: pattern: ${fault}`)
  }
  problems.push(...startProblems(options.startFrom ?? 'earliest'))
  if (!['fail', 'continue', undefined].includes(options.onDataLoss))
    problems.push(`kafka: onDataLoss: must be fail or continue, not ${JSON.stringify(options.onDataLoss)}`)
  return problems
}

function patternFault(pattern: string): string | null {
  try {
    topicPattern(pattern)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function startProblems(startFrom: StartFrom): string[] {
  if (startFrom === 'earliest' || startFrom === 'latest') return []
  if (typeof startFrom === 'object' && 'timestamp' in startFrom)
    return Number.isNaN(Date.parse(startFrom.timestamp))
      ? [`kafka: startFrom.timestamp: must be an ISO 8601 time, not ${JSON.stringify(startFrom.timestamp)}`]
      : []
  if (typeof startFrom === 'object' && 'offsets' in startFrom)
    return Object.entries(startFrom.offsets)
      .filter(([partition, offset]) => !/^.+\/\d+$/.test(partition) || !/^\d+$/.test(String(offset)))
      .map(
        ([partition, offset]) =>
          `kafka: startFrom.offsets: must map <topic>/<partition> to an offset, not ${JSON.stringify(partition)} to ${JSON.stringify(offset)}`,
      )
  return [`kafka: startFrom: must be earliest, latest, { timestamp } or { offsets }, not ${JSON.stringify(startFrom)}`]
}

/** Whether partitions of a topic that have no position were added to topics that were read before. */
export function isAddition(choice: TopicChoice, topic: string, readBefore: ReadonlySet<string>): boolean {
  return readBefore.has(topic) || ('pattern' in choice && readBefore.size > 0)
}

/** The expression of a pattern: it must match a topic's whole name. */
export function topicPattern(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`)
}
