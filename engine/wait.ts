/** Waiting for the next batch of an `every` trigger. */
import type { Position } from './contracts.ts'
import { availableRanges } from './plan.ts'
import { isOwned, type Session } from './session.ts'

const lookEveryMs = 250

/** Returns when the interval since `startedMs` is over, a full batch is waiting, or a stop was asked for. */
export async function waitForTrigger(
  session: Session,
  intervalMs: number,
  startedMs: number,
  position: Position,
  stop: AbortSignal,
): Promise<void> {
  const { clock } = session.runtime
  for (;;) {
    const leftMs = startedMs + intervalMs - clock.nowMs()
    if (leftMs <= 0 || stop.aborted) return
    if (await fullBatchWaits(session, position)) return
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
