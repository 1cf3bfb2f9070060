/** A clock that a test sets. */
import { systemClock } from '../../engine/clock.ts'
import type { Clock } from '../../engine/contracts.ts'
import { parseDuration } from '../../engine/duration.ts'
import { MillraceError } from '../../engine/errors.ts'

/** Stands still until it is advanced. */
export interface SettableClock extends Clock {
  /** By milliseconds, or by a time such as `90s`, `15m`, `2h`, `7d`. */
  advance(by: string | number): void
}

/** A clock at a time. Who sleeps really waits, and finds the clock as much later: deadlines pass, and nothing spins. */
export function settableClock(startMs: number): SettableClock {
  let nowMs = startMs
  return {
    nowMs: () => nowMs,
    async sleep(ms, signal) {
      const untilMs = nowMs + ms
      await systemClock.sleep(ms, signal)
      if (signal?.aborted !== true) nowMs = Math.max(nowMs, untilMs)
    },
    advance(by) {
      const ms = typeof by === 'number' ? by : parseDuration(by)
      if (ms === null || !Number.isFinite(ms) || ms < 0)
        throw new MillraceError(
          'CONFIG_INVALID',
          `a clock cannot be advanced by ${JSON.stringify(by)} (give milliseconds, or a time such as 90s, 15m, 2h, 7d)`,
        )
      nowMs += ms
    },
  }
}
