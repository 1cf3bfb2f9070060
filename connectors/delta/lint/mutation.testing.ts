/** What it is to break a log, and what most ways of it need. */
import type { Logs } from './logs.testing.ts'
import type { Change, RawLog } from './raw-log.testing.ts'
import type { RuleId } from './rules.ts'

/** A way to break a valid log in one place, and the rule that it breaks. */
export interface Mutation {
  readonly rule: RuleId
  /** What is done. */
  readonly what: string
  readonly log: keyof Logs
  readonly mutate: (log: RawLog, tools: MutationTools) => void | Promise<void>
}

/** What mutations of checkpoints need. */
export interface MutationTools {
  /** Replaces the checkpoint of a version by the rows of a query over its own, and takes the hint away. */
  rewrite(log: RawLog, version: number, query: (rows: string) => string): Promise<void>
}

/** A {@link Mutation} in one line. */
export function mutation(rule: RuleId, log: keyof Logs, what: string, mutate: Mutation['mutate']): Mutation {
  return { rule, log, what, mutate }
}

/** An `add` of a file that need not exist. */
export function add(path: string, more: object = {}): Change {
  return { add: { path, partitionValues: {}, size: 1, modificationTime: 0, dataChange: true, ...more } }
}

/** A `remove` with no more than it must have. */
export function remove(path: string): Change {
  return { remove: { path, dataChange: true } }
}

/** The first `metaData` of a log with other fields. */
export function metaDataOf(log: RawLog, more: object): Change {
  return { metaData: { ...log.fields(0, 'metaData'), ...more } }
}
