/** Where a pipeline stands: position, lag and last commit. */
import { tableHistory } from '../connectors/delta/history.ts'
import type { Position, Range, Source, WriteCounts } from '../engine/contracts.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { availableRanges } from '../engine/plan.ts'
import type { Place } from './place.ts'
import { primaryPosition } from './sink-position.ts'
import { openSource } from './wire.ts'

/** How far a pipeline is, by the position of its primary sink. */
export interface PipelineStatus {
  readonly pipeline: string
  /** What it reads, with the next offset or version to read of each partition that it has read of. */
  readonly sources: readonly { readonly reads: string; readonly position: Position }[]
  readonly lagRecords: number
  /** What all its commits wrote to a store and skipped; null where the primary sink keeps no such sum. */
  readonly totals: WriteCounts | null
  /** Of the primary sink; null where that is no table, and before the first commit. */
  readonly lastCommit: { readonly version: bigint; readonly timestampMs: number | null } | null
}

/** How many of a table's newest versions are looked through for the pipeline's last commit. */
const historyLimit = 200

/** Reads logs and positions only. Throws what sources and sinks throw: `STORE_BUSY`, `SOURCE_RANGE_LOST`, ... */
export async function pipelineStatus(pipeline: Pipeline, place: Place): Promise<PipelineStatus> {
  const { position, totals = null } = await primaryPosition(pipeline, place)
  const sources: { reads: string; position: Position }[] = []
  let lagRecords = 0
  for (const description of Object.values(pipeline.sources)) {
    const source = await openSource(description, place, pipeline)
    try {
      const start = await source.start(position)
      const latest = await source.latest()
      const own = new Map([...position].filter(([partition]) => latest.has(partition)))
      sources.push({ reads: description.reads, position: own })
      lagRecords += await lagOf(source, availableRanges(own, start, latest))
    } finally {
      await source.close()
    }
  }
  return { pipeline: pipeline.name, sources, lagRecords, totals, lastCommit: await lastCommit(pipeline, place) }
}

async function lagOf(source: Source, ranges: readonly Range[]): Promise<number> {
  const counts = await Promise.all(ranges.map((range) => source.count(range)))
  return counts.reduce((sum, count) => sum + count, 0)
}

async function lastCommit(pipeline: Pipeline, place: Place): Promise<PipelineStatus['lastCommit']> {
  const primary = pipeline.sinks.at(-1)!
  if (primary.kind !== 'delta') return null
  for await (const entry of tableHistory(place.table(String(primary.options.table)), historyLimit))
    if (entry.batch?.pipeline === pipeline.name) return { version: entry.version, timestampMs: entry.timestampMs }
  return null
}
