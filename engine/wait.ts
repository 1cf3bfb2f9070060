/** Waiting for the next batch of an `every` trigger. */
import type { Position } from './contracts.ts'
import { availableRanges } from './plan.ts'
import { type Retries, withRetries } from './retry.ts'
import { isOwned, type Session } from './session.ts'

const lookEveryMs = 250

/** What is waited for. */
export interface Wait {
  readonly untilMs: number
  /** Where the next batch begins. */
  readonly position: Position
}

/** Returns when the time has come, a full batch is waiting, or a stop was asked for. */
export async function waitForTrigger(session: Session, { untilMs, position }: Wait, retries: Retries): Promise<void> {
  const { clock, stop } = retries
  for (;;) {
    const leftMs = untilMs - clock.nowMs()
    if (leftMs <= 0 || stop.aborted) return
    if (await withRetries(() => fullBatchWaits(session, position), retries)) return
    await clock.sleep(Math.min(leftMs, lookEveryMs), stop)
  }
}

async function fullBatchWaits(session: Session, position: Position): Promise<boolean> {
  let records = 0
  for (const source of session.sources.values()) {
    const available = availableRanges(position, session.initial, await source.latest())
    for (const range of available) if (isOwned(session, range.sourcePartition)) records += await source.count(range)
  }
  return records >= session.pipeline.limits.maxRecords
}
