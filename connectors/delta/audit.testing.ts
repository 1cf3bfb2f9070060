/** Logs for tests of the audit, and its findings as short lines. */
import { appId } from '../../checkpoints/position.ts'
import type { Action } from './actions.ts'
import { type LogAudit, openAudit, type Positions } from './audit.ts'
import type { LogEntry } from './table.ts'
import { addAction, txnAction } from './tables.testing.ts'

/** Ranges by source partition. */
export type Spans = Readonly<Record<string, readonly [start: bigint, end: bigint]>>

/** A commit as a pipeline makes it: ranges, a txn for each, and files. */
export interface Commit {
  readonly pipeline: string
  readonly ranges: Spans
  readonly actions?: readonly Action[]
  /** In place of the ends. */
  readonly txns?: Readonly<Record<string, bigint>>
  readonly metrics?: Readonly<Record<string, string>>
}

/** A commit by another program. */
export const foreign: Commit = { pipeline: '', ranges: {}, actions: [addAction('theirs'), txnAction('spark-job', 3n)] }

/** The log entry of a commit. */
export function entryOf({ pipeline, ranges, actions = [], txns, metrics }: Commit, version: bigint): LogEntry {
  if (pipeline === '') return { version, actions: [...actions, { commitInfo: { engineInfo: 'other' } }] }
  const spans = Object.entries(ranges).map(([name, [start, end]]) => [name, [String(start), String(end)]] as const)
  const moved = txns ?? Object.fromEntries(Object.entries(ranges).map(([name, [, end]]) => [name, end]))
  const millrace = { pipeline, fingerprint: 'f', ranges: Object.fromEntries(spans) }
  return {
    version,
    actions: [
      { commitInfo: { millrace, ...(metrics === undefined ? {} : { operationMetrics: metrics }) } },
      ...actions,
      ...Object.entries(moved).map(([name, end]) => txnAction(appId(pipeline, name), end)),
    ],
  }
}

/** What a snapshot of the entries holds. */
export function snapshotOf(entries: readonly LogEntry[]): Positions {
  const txns = new Map<string, { readonly version: bigint }>()
  for (const action of entries.flatMap(({ actions }) => actions))
    if ('txn' in action) txns.set(action.txn.appId, action.txn)
  return { version: entries.at(-1)!.version, txns }
}

/** The audit of a log. */
export function auditOf(entries: readonly LogEntry[], snapshot: Positions = snapshotOf(entries)): LogAudit {
  const audit = openAudit()
  for (const entry of entries) audit.add(entry)
  return audit.finish(snapshot)
}

/** The audit of a log with these commits from version 0 on. */
export function auditCommits(...commits: readonly Commit[]): LogAudit {
  return auditOf(commits.map((commit, i) => entryOf(commit, BigInt(i))))
}

/** `kind pipeline/partition [start, end) @ version,version`, sorted. */
export function told({ findings }: LogAudit): string[] {
  return findings
    .map((found) => {
      const of = found.pipeline === null ? '' : ` ${appId(found.pipeline, found.sourcePartition!)}`
      return `${found.kind}${of} [${found.span.start}, ${found.span.end}) @ ${found.versions.join()}`
    })
    .sort()
}
