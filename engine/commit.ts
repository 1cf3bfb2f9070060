/** Commits one batch to its sinks in turn, the primary last. */
import type { Position, Sink, SinkCommit } from './contracts.ts'
import type { SinkReport } from './events.ts'
import { faultPoint } from './fault-points.ts'

/** A sink of a running pipeline: opened, with the outputs of the batch that are meant for it. */
export interface BatchSink {
  readonly sink: Sink
  readonly outputs: SinkCommit['outputs']
  readonly columns: SinkCommit['columns']
}

/** What all sinks took, or the first that did not and why. */
export type CommitSinksOutcome =
  | { readonly kind: 'committed'; readonly reports: readonly SinkReport[] }
  | { readonly kind: 'fenced'; readonly sink: string; readonly position: Position }
  | { readonly kind: 'conflict'; readonly sink: string; readonly message: string }

/**
 * Every sink gets the same ranges. Stops at the first that does not take them: those before it hold the batch, and
 * recovery runs it again into the rest.
 */
export async function commitSinks(
  sinks: readonly BatchSink[],
  commit: Omit<SinkCommit, 'outputs' | 'columns'>,
): Promise<CommitSinksOutcome> {
  const reports: SinkReport[] = []
  for (const [i, { sink, outputs, columns }] of sinks.entries()) {
    if (i > 0) faultPoint('between-sinks')
    const outcome = await sink.commit({ ...commit, outputs, columns })
    if (outcome.kind === 'fenced') return { kind: 'fenced', sink: sink.name, position: outcome.position }
    if (outcome.kind === 'conflict') return { kind: 'conflict', sink: sink.name, message: outcome.message }
    reports.push({
      sink: sink.name,
      outcome: outcome.kind,
      written: outcome.written,
      ...(outcome.version === undefined ? {} : { version: outcome.version }),
    })
  }
  return { kind: 'committed', reports }
}
