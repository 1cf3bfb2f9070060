/** `kafka({...})`: topics, served by a broker where one is configured and by the embedded log where none is. */
import type { SinkDescription, SourceDescription } from '../../engine/contracts.ts'
import {
  choiceOf,
  examine,
  isObject,
  json,
  listOf,
  objectOf,
  oneOfTexts,
  optional,
  text,
  textThat,
} from '../../engine/shape.ts'
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

/** What Kafka takes for a name. */
const topicName = textThat("the name of a topic (letters, digits, '.', '_' and '-', at most 249)", (name) =>
  isTopicName(name),
)

const sourceShape = objectOf({
  topic: optional(topicName),
  topics: optional(listOf(topicName, 1)),
  pattern: optional(text),
  startFrom: optional(json),
  onDataLoss: optional(oneOfTexts('fail', 'continue')),
  mode: optional(oneOfTexts('append')),
})

const sinkShape = objectOf({ mode: oneOfTexts('append'), topic: optional(topicName), from: optional(text) })

const shape = choiceOf('an object with the options of topics', [
  { is: (value) => isObject(value) && value.mode !== undefined, shape: sinkShape },
  { is: isObject, shape: sourceShape },
])

/**
 * Topics of raw records: with `mode` a sink, without one a source. A sink reads the columns `key`, `value`, `headers`,
 * `timestamp` and `topic`. What is wrong with the options the definition is refused with, all of it at once.
 */
export function kafka(options: TopicSinkOptions): SinkDescription
export function kafka(options: TopicOptions): SourceDescription
export function kafka(options: TopicOptions | TopicSinkOptions): SourceDescription | SinkDescription {
  const { value, problems } = examine(options, shape, 'kafka')
  if (problems !== undefined) return faulty(problems)
  if ('mode' in value && value.mode !== undefined) {
    const { from, ...rest } = value
    const writes = rest.topic === undefined ? 'topics' : `topic:${rest.topic}`
    return { kind: 'kafka', writes, inputs: { rows: from }, options: rest }
  }
  const choice = withoutUndefined(value as TopicOptions)
  const faults = problemsOf(choice)
  if (faults.length > 0) return faulty(faults)
  const given = { startFrom: 'earliest', ...choice } as const
  return { kind: 'kafka', shape: 'records', reads: readsOf(choice), options: given }
}

/** What is undefined is not given. */
function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

/** Nothing is opened by a description with problems: it may stand for either. */
function faulty(problems: readonly string[]): SourceDescription & SinkDescription {
  return { kind: 'kafka', shape: 'records', reads: '', writes: '', inputs: {}, options: {}, problems }
}

/** Whether Kafka takes a name for a topic's. */
export function isTopicName(name: string): boolean {
  return /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/.test(name)
}

function readsOf(choice: TopicChoice): string {
  if ('topic' in choice) return `topic:${choice.topic}`
  return 'topics' in choice ? `topics:${choice.topics.join(',')}` : `topics:/${choice.pattern}/`
}

/** What is wrong with options that each have their shape. */
function problemsOf(options: TopicOptions): string[] {
  const problems: string[] = []
  const given = ['topic', 'topics', 'pattern'].filter((name) => name in options)
  if (given.length !== 1)
    problems.push(`kafka: give one of topic, topics and pattern, not ${given.join(' and ') || 'none'}`)
  if ('topics' in options) problems.push(...twiceProblems(options.topics))
  if ('pattern' in options) {
    const fault = patternFault(options.pattern)
    if (fault !== null) problems.push(`kafka: pattern: ${fault} (give a regular expression)`)
  }
  if (problems.length === 0)
    problems.push(...startProblems(options.startFrom === undefined ? 'earliest' : options.startFrom, readerOf(options)))
  return problems
}

function twiceProblems(topics: readonly string[]): string[] {
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
