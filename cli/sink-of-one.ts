/** A sink as it holds one source partition, where its position is kept together with that of others. */
import type { Sink } from '../engine/contracts.ts'

/** The sink, whose position is only that of `sourcePartition`; what it holds of others stays and is not seen. */
export function sinkOfOne(sink: Sink, sourcePartition: string): Sink {
  return {
    ...sink,
    async position(pipeline) {
      const held = await sink.position(pipeline)
      const next = held.position.get(sourcePartition)
      return { ...held, position: next === undefined ? new Map() : new Map([[sourcePartition, next]]) }
    },
  }
}
