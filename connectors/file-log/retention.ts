/** Deleting the old end of a topic, whole segments at a time. */
import { unlink } from 'node:fs/promises'
import { isSystemError } from '../../engine/errors.ts'
import { storageFailed, topicNotFound } from './failures.ts'
import { statesPath } from './producer-states.ts'
import { listSegments } from './segment.ts'
import { partitionPath, readTopic } from './topic.ts'

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
