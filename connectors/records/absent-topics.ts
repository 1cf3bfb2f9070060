/** Topics that a source names and that are not there, the same for every log that has topics. */
import type { AbsentInput } from '../../engine/contracts.ts'
import { isInternalTopic, type TopicChoice, topicMatcher } from './description.ts'

/** What is known of topics by a source. */
export interface KnownTopics {
  readonly choice: TopicChoice
  readonly onDataLoss: 'fail' | 'continue'
  /** Those that are there. */
  readonly present: ReadonlySet<string>
  /** Those that were read, by this run or before it. */
  readonly read: ReadonlySet<string>
  /** How topics are made here. */
  readonly advice: string
}

/**
 * Named topics that never were there, a pattern that matches none, and topics that were read and are gone: whether that is to be refused
 * is left to the loop, which knows how far they were read.
 */
export function absentTopics({ choice, onDataLoss, present, read, advice }: KnownTopics): AbsentInput[] {
  const never = namesOf(choice).filter((name) => !present.has(name) && !read.has(name))
  const gone = [...read].filter((name) => !present.has(name) && isChosen(choice, name))
  const goneAdvice =
    onDataLoss === 'fail' ? 'it was there before: restore it' : 'it was there before, and is passed over'
  const unmatched = 'pattern' in choice && present.size === 0 && gone.length === 0
  return [
    ...never.map((name) => ({ what: `topic ${name}`, optional: false, advice })),
    ...gone.map((name) => ({ what: `topic ${name}`, optional: true, advice: goneAdvice })),
    ...(unmatched ? [{ what: `a topic that matches ${choice.pattern}`, optional: true, advice }] : []),
  ]
}

/**
 * Whether a source partition that is gone is passed over: one of a topic that the description means, if so configured, and always one
 * of a topic that patterns matched in earlier versions and do not any more.
 */
export function isPassedOver(
  { choice, onDataLoss }: Pick<KnownTopics, 'choice' | 'onDataLoss'>,
  partition: string,
  groupPrefix?: string,
): boolean {
  const topic = /^(.+)\/\d{1,5}$/.exec(partition)?.[1]
  if (topic === undefined) return false
  if ('pattern' in choice && isInternalTopic(topic, groupPrefix)) return true
  return onDataLoss === 'continue' && isChosen(choice, topic)
}

function isChosen(choice: TopicChoice, name: string): boolean {
  return 'pattern' in choice ? topicMatcher(choice.pattern)(name) : namesOf(choice).includes(name)
}

function namesOf(choice: TopicChoice): readonly string[] {
  if ('topic' in choice) return [choice.topic]
  return 'topics' in choice ? choice.topics : []
}
