/** `kafka({...})`: a topic, served by a broker where one is configured and by the embedded log where none is. */
import type { SinkDescription, SourceDescription } from '../../engine/contracts.ts'

export interface TopicOptions {
  readonly topic: string
  /** Where a pipeline without a position begins. Default `earliest`. */
  readonly startFrom?: 'earliest' | 'latest'
}

export interface TopicSinkOptions {
  readonly mode: 'append'
  /** Topic of every row; without it each row's column `topic` names one. Topics must exist. */
  readonly topic?: string
  /** Step whose rows are written; default the last one. */
  readonly from?: string
}

/**
 * A topic of raw records: with `mode` a sink, without one a source. A sink reads the columns `key`, `value`, `headers`,
 * `timestamp` and `topic`.
 */
export function kafka(options: TopicSinkOptions): SinkDescription
export function kafka(options: TopicOptions): SourceDescription
export function kafka(options: TopicOptions | TopicSinkOptions): SourceDescription | SinkDescription {
  if ('mode' in options) {
    const { from, ...rest } = options
    const writes = rest.topic === undefined ? 'topics' : `topic:${rest.topic}`
    return { kind: 'kafka', writes, inputs: { rows: from }, options: rest }
  }
  return {
    kind: 'kafka',
    shape: 'records',
    reads: `topic:${options.topic}`,
    options: { startFrom: 'earliest', ...options },
  }
}
