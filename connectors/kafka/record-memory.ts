/**
 * Memory for the records of one answer at a time, used again for the next and by the next reader: fresh memory for each
 * would be most of what this thread has to collect as garbage.
 */

import { collectYoungGarbage } from '../../engine/young-garbage.ts'

/** One piece of memory, until it is given back. */
export interface RecordMemory {
  /** The pieces in one, valid until the next call. */
  gather(pieces: readonly Buffer[]): Buffer
  giveBack(): void
}

const spare: Buffer[] = []
/** A thread reads one range at a time; what more readers beside each other leave is not kept. */
const mostSpare = 1

/** Memory of this thread that nobody uses. */
export function borrowMemory(): RecordMemory {
  let memory = spare.pop() ?? Buffer.alloc(0)
  return {
    gather(pieces) {
      collectYoungGarbage()
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
      if (memory.length < length) memory = Buffer.allocUnsafeSlow(length)
      let at = 0
      for (const piece of pieces) at += piece.copy(memory, at)
      return memory.subarray(0, length)
    },
    giveBack() {
      if (spare.length < mostSpare) spare.push(memory)
      memory = Buffer.alloc(0)
    },
  }
}
