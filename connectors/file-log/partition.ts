/** One partition as a reader sees it, also while a writer in another process appends: what is whole, never half a frame. */
import { type FileHandle, open } from 'node:fs/promises'
import { isSystemError } from '../../engine/errors.ts'
import { type LogPlace, logCorrupt, rangeLost, storageFailed } from './failures.ts'
import { type FrameAt, listSegments, type Segment, wholeFrameAfter } from './segment.ts'
import { framesWithin, type KnownSegment, segmentIndex } from './segment-index.ts'
import { partitionPath, partitionSeed, type Topic } from './topic.ts'

/** The offsets that can be read: `[earliest, latest)`. */
export interface Bounds {
  /** First offset that is kept. */
  readonly earliest: bigint
  /** Next offset to be written. Everything before it is on disk, whoever wrote it. */
  readonly latest: bigint
}

/** Consecutive frames of one segment, open for reading until the iteration goes on. */
export interface FrameRun {
  readonly file: FileHandle
  readonly segment: Segment
  readonly frames: readonly FrameAt[]
}

/** One partition for reading. */
export interface Partition {
  readonly topic: Topic
  readonly number: number
  /** Signs the partition's frame headers. */
  readonly seed: number
  bounds(): Promise<Bounds>
  /**
   * The frames that hold `[start, end)`, one run per segment. `SOURCE_RANGE_LOST` where the range begins before the
   * earliest offset or ends after the latest, `LOG_CORRUPT` at damage.
   */
  runs(start: bigint, end: bigint): AsyncGenerator<FrameRun>
  /** For errors: where an offset of this partition is. */
  place(segment: Segment, bytePosition: number, offset: bigint): LogPlace
}

/** Opens nothing and takes no lock; keeps an index of the segments used last. */
export function openPartition(topic: Topic, number: number): Partition {
  const seed = partitionSeed(topic, number)
  const folder = partitionPath(topic, number)
  const index = segmentIndex(seed)
  let synced: bigint | null = null
  const place = (segment: Segment, bytePosition: number, offset: bigint): LogPlace => ({
    topic: topic.name,
    partition: number,
    file: segment.path,
    bytePosition,
    offset,
  })

  /** The last segment may end in a frame that is being written; whole frames behind a broken one are damage. */
  async function checkTail(segment: Segment, file: FileHandle, known: KnownSegment): Promise<void> {
    if (known.end === known.fileBytes) return
    if (!(await wholeFrameAfter(file, seed, { position: known.end, next: known.next }))) return
    const before = known.end
    // The writer may have cut and written on while we looked: only what is still so is damage.
    if ((await index.scan(segment, file)).end > before) return
    throw logCorrupt(place(segment, known.end, known.next), 'whole frames follow one that cannot be read')
  }

  async function bounds(): Promise<Bounds> {
    const segments = await listSegments(folder)
    const last = segments.at(-1)
    if (last === undefined) return { earliest: topic.firstOffset, latest: topic.firstOffset }
    const file = await openSegment(last)
    if (file === null) return bounds() // deleted since it was listed: it is not the last one any more
    try {
      const known = await index.scan(last, file)
      await checkTail(last, file, known)
      const latest = known.next
      // A record that we report must not vanish in a power failure: its writer may not have synced it yet.
      if (latest !== synced) await file.datasync()
      synced = latest
      return { earliest: segments[0]!.base, latest }
    } catch (error) {
      throw storageFailed(last.path, 'read a segment', error)
    } finally {
      await file.close()
    }
  }

  async function* runs(start: bigint, end: bigint): AsyncGenerator<FrameRun> {
    let at = start
    while (at < end) {
      const { segment, following } = await segmentOf(at, end)
      const file = await openSegment(segment)
      if (file === null) continue // deleted since it was listed: the next look says what is lost
      try {
        const cached = index.known(segment)
        const finished = cached !== undefined && following !== null && cached.next === following
        const known = finished ? cached : await index.scan(segment, file)
        if (known.next <= at && following === null) await checkTail(segment, file, known)
        const { next } = known // what is added while the reader has its turn is not among these frames
        const frames = framesWithin(known, at, end)
        if (frames.length > 0) yield { file, segment, frames }
        if (following !== null && known.next !== following) await checkFinished(segment, known)
        if (next <= at) throw rangeLost(topic.name, number, at, end, `the log ends at offset ${next}`)
        at = next
      } finally {
        await file.close()
      }
    }
  }

  /** The segment that holds `at`, and where the one after it begins. */
  async function segmentOf(at: bigint, end: bigint): Promise<{ segment: Segment; following: bigint | null }> {
    const segments = await listSegments(folder)
    const found = segments.findLastIndex((segment) => segment.base <= at)
    if (found === -1) {
      const earliest = segments[0]?.base ?? topic.firstOffset
      const why =
        segments.length > 0 ? `the earliest kept is ${earliest}` : `the log is empty and begins at ${earliest}`
      throw rangeLost(topic.name, number, at, segments.length > 0 && earliest < end ? earliest : end, why)
    }
    return { segment: segments[found]!, following: segments[found + 1]?.base ?? null }
  }

  /** A segment was the last one when its writer finished it; looked at again, it must reach the next one. */
  async function checkFinished(segment: Segment, known: KnownSegment): Promise<void> {
    const following = (await listSegments(folder)).find(({ base }) => base > segment.base)
    if (following === undefined || following.base === known.next) return
    throw logCorrupt(
      place(segment, known.end, known.next),
      `the next segment begins at offset ${following.base}, and this one ends`,
    )
  }

  async function openSegment(segment: Segment): Promise<FileHandle | null> {
    try {
      return await open(segment.path, 'r')
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      throw storageFailed(segment.path, 'open a segment', error)
    }
  }

  return { topic, number, seed, bounds, runs, place }
}
