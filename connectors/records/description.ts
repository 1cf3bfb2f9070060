/** `kafka({...})`: topics, served by a broker where one is configured and by the embedded log where none is. */
import type { SinkDescription, SourceDescription } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type StartFrom, startProblems } from './start-from.ts'

export type { StartFrom } from './start-from.ts'

/** Which topics are read: one, several, or all whose whole name a regular expression matches, also later ones. */
export type TopicChoice =
  | { readonly topic: string }
  | { readonly topics: readonly string[] }
  | { readonly pattern: string }

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
  if ('topics' in options) problems.push(...listProblems(options.topics))
  if ('pattern' in options) {
    const fault = patternFault(options.pattern)
    if (fault !== null) problems.push(`kafka: pattern: ${fault}`)
  }
  if (problems.length === 0)
    problems.push(...startProblems(options.startFrom === undefined ? 'earliest' : options.startFrom, readerOf(options)))
  if (!['fail', 'continue', undefined].includes(options.onDataLoss))
    problems.push(`kafka: onDataLoss: must be fail or continue, not ${JSON.stringify(options.onDataLoss)}`)
  return problems
}

function listProblems(topics: readonly string[]): string[] {
  if (!Array.isArray(topics) || topics.length === 0) return ['kafka: topics: name one at least']
  const twice = new Set(topics.filter((name, i) => topics.indexOf(name) !== i))
  return [...twice].map((name) => `kafka: topics: ${JSON.stringify(name)} stands there twice (name it once)`)
}

/** Whether a topic is one of those chosen. */
function readerOf(choice: TopicChoice): (topic: string) => boolean {
  if ('topic' in choice) return (topic) => topic === choice.topic
  if ('topics' in choice) return (topic) => choice.topics.includes(topic)
  return topicMatcher(choice.pattern)
}

function patternFault(pattern: string): string | null {
  try {
    topicPattern(pattern)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Whether partitions of a topic that have no position were added to topics that were read before. */
export function isAddition(choice: TopicChoice, topic: string, readBefore: ReadonlySet<string>): boolean {
  return readBefore.has(topic) || ('pattern' in choice && readBefore.size > 0)
}

/** What positions' topics begin with where nothing else is configured. */
export const defaultGroupPrefix = 'millrace-'

/** Begins the names of topics in which sinks keep their positions. */
export function positionTopicPrefix(groupPrefix: string): string {
  return `${groupPrefix}position.`
}

/**
 * Whether a topic is one of the cluster's own (`__consumer_offsets`) or one in which a sink keeps its position. No pattern means
 * those: a pipeline that read them would feed itself.
 */
export function isInternalTopic(topic: string, groupPrefix = defaultGroupPrefix): boolean {
  const own = ['__', positionTopicPrefix(defaultGroupPrefix), positionTopicPrefix(groupPrefix)]
  return own.some((prefix) => topic.startsWith(prefix))
}

/** Whether a pattern means a topic: it matches the whole name, and the topic is not internal. */
export function topicMatcher(pattern: string, groupPrefix?: string): (topic: string) => boolean {
  const expression = topicPattern(pattern)
  return (topic) => expression.test(topic) && !isInternalTopic(topic, groupPrefix)
}

/** The expression of a pattern: it must match a topic's whole name. */
function topicPattern(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`)
}
