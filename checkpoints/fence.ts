/** The commit rule. Pure. */
import type { Position, Range } from '../engine/contracts.ts'

/**
 * Whether a batch that covers `ranges` may be committed on top of a state that holds `stored`: the stored position of
 * every range's partition is exactly the range's start. A partition without one stands at its beginning (`initial`;
 * without that at 0). Lower and higher are refused alike: the one would leave a gap, the other would write twice.
 */
export function admits(stored: Position, ranges: readonly Range[], initial: Position): boolean {
  return ranges.every(({ sourcePartition, start }) => {
    const position = stored.get(sourcePartition) ?? initial.get(sourcePartition) ?? 0n
    return position === start
  })
}
