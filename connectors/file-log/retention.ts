/** Deleting the old end of a topic, whole segments at a time. */
import { stat, unlink } from 'node:fs/promises'
import type { Clock } from '../../engine/contracts.ts'
import { isSystemError } from '../../engine/errors.ts'
import { sourcePartition } from '../records/source-partition.ts'
import { storageFailed, topicNotFound } from './failures.ts'
import { slowestOffsets } from './groups.ts'
import { statesPath } from './producer-states.ts'
import { listSegments, type Segment } from './segment.ts'
import { partitionPath, readTopic, type Topic } from './topic.ts'

/** How much of a partition is kept that every group has read. What goes is older than the one, or beyond the other. */
export interface LogRetention {
  readonly ms: number
  /** Of the newest records of a partition. */
  readonly bytes: number
}

/** What is known of a partition to be trimmed. */
interface TrimOptions {
  readonly dir: string
  readonly topic: Topic
  readonly partition: number
  /** The next offset of the slowest group. */
  readonly read: bigint
  readonly retention: LogRetention
  readonly nowMs: number
}

/** Between two looks at what is past the retention. */
const trimEveryMs = 60_000

/** Trims the partitions that a reader has, now and then after its commits: those that some group is known to read. */
export function openTrimming({
  dir,
  retention,
  clock,
}: {
  readonly dir: string
  readonly retention?: LogRetention
  readonly clock: Clock
}) {
  let nextMs = Number.NEGATIVE_INFINITY
  return {
    async committed(partitions: readonly { readonly topic: Topic; readonly number: number }[]): Promise<void> {
      const nowMs = clock.nowMs()
      if (retention === undefined || nowMs < nextMs) return
      nextMs = nowMs + trimEveryMs
      const slowest = await slowestOffsets(dir)
      for (const { topic, number: partition } of partitions) {
        const read = slowest(sourcePartition(topic.name, partition))
        if (read !== null) await trimPartition({ dir, topic, partition, read, retention, nowMs })
      }
    },
  }
}

async function trimPartition({ dir, topic, partition, read, retention, nowMs }: TrimOptions): Promise<void> {
  const segments = await listSegments(partitionPath(topic, partition))
  const stats = await Promise.all(segments.map(statOf))
  const bytes = stats.map((_, i) => stats.slice(i + 1).reduce((sum, { size }) => sum + size, 0))
  const kept = segments.findIndex((_, i) => {
    const end = segments[i + 1]?.base
    const isOld = stats[i]!.writtenMs < nowMs - retention.ms || bytes[i]! >= retention.bytes
    return end === undefined || end > read || !isOld
  })
  if (kept > 0) await truncateBefore({ dir, topic: topic.name, partition, before: segments[kept]!.base })
}

/** Of one that another has deleted since, nothing is left to keep. */
async function statOf({ path }: Segment): Promise<{ size: number; writtenMs: number }> {
  try {
    const { size, mtimeMs } = await stat(path)
    return { size, writtenMs: mtimeMs }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return { size: 0, writtenMs: 0 }
    throw storageFailed(path, 'look at a segment', error)
  }
}

export interface TruncateOptions {
  readonly dir: string
  readonly topic: string
  readonly partition: number
  /** Records before it may be deleted; those from it on are kept. */
  readonly before: bigint
}

/**
 * Deletes the segments that hold only records before the given offset, oldest first, never the last one; returns the
 * earliest offset kept. Needs no lock: writers touch the last segment only, and a reader finds out which offsets are gone.
 */
export async function truncateBefore(options: TruncateOptions): Promise<bigint> {
  const topic = await readTopic(options.dir, options.topic)
  if (topic === null || options.partition >= topic.partitions)
    throw topicNotFound(options.dir, `${options.topic}/${options.partition}`)
  const segments = await listSegments(partitionPath(topic, options.partition))
  const kept = Math.max(
    0,
    segments.findLastIndex(({ base }) => base <= options.before),
  )
  for (const { path } of segments.slice(0, kept)) {
    await remove(path)
    await remove(statesPath(path))
  }
  return segments[kept]?.base ?? topic.firstOffset
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error) => {
    if (!isSystemError(error, 'ENOENT')) throw storageFailed(path, 'delete a segment', error)
  })
}
