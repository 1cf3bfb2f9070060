/** `kafka({...})`: a topic, served by a broker where one is configured and by the embedded log where none is. */
import type { SourceDescription } from '../../engine/contracts.ts'

export interface TopicOptions {
  readonly topic: string
  /** Where a pipeline without a position begins. Default `earliest`. */
  readonly startFrom?: 'earliest' | 'latest'
}

/** A topic as a source of raw records. */
export function kafka(options: TopicOptions): SourceDescription {
  return {
    kind: 'kafka',
    shape: 'records',
    reads: `topic:${options.topic}`,
    options: { startFrom: 'earliest', ...options },
  }
}
