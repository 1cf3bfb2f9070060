/** One partition as a reader sees it, also while a writer in another process appends: what is whole, never half a frame. */
import { type FileHandle, open } from 'node:fs/promises'
import { isSystemError, type MillraceError } from '../../engine/errors.ts'
import { type LogPlace, lastFrameDamaged, logCorrupt, rangeLost, storageFailed } from './failures.ts'
import { isHeld } from './lock.ts'
import { keptParts, listLost, type OffsetSpan } from './lost-offsets.ts'
import { type FrameAt, listSegments, type Segment } from './segment.ts'
import { framesWithin, type KnownSegment, segmentIndex } from './segment-index.ts'
import { judgeTail, type TornTail } from './tail.ts'
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
  /** The parts of a span that are kept, in order: what retention took is none, nor what was given up as damaged. */
  kept(span: OffsetSpan): Promise<readonly OffsetSpan[]>
  /**
   * The frames that hold `[start, end)`, one run per segment. `SOURCE_RANGE_LOST` where the range begins before the
   * earliest offset or ends after the latest, and at what was given up as damaged; `LOG_CORRUPT` at damage.
   */
  runs(start: bigint, end: bigint): AsyncGenerator<FrameRun>
  /** For errors: where an offset of this partition is. */
  place(segment: Segment, bytePosition: number, offset: bigint): LogPlace
}

/**
 * Opens nothing and takes no lock; keeps an index of the segments used last.
 * @param onTornTail told, once for each, of what a dead writer left at the end: it is waited for what the next one writes there
 */
export function openPartition(
  topic: Topic,
  number: number,
  onTornTail: (tail: TornTail) => void = () => {},
): Partition {
  const seed = partitionSeed(topic, number)
  const folder = partitionPath(topic, number)
  const index = segmentIndex(seed)
  let synced: bigint | null = null
  let told: bigint | null = null
  const place = (segment: Segment, bytePosition: number, offset: bigint): LogPlace => ({
    topic: topic.name,
    partition: number,
    file: segment.path,
    bytePosition,
    offset,
  })

  /**
   * The last segment may end in a frame that is being written, or in one whose writer died over it. Whole frames behind a broken one are
   * damage, and so is a last one that was whole once.
   */
  async function checkTail(segment: Segment, file: FileHandle, known: KnownSegment): Promise<void> {
    if (known.end >= known.fileBytes) return
    const { end: position, next } = known
    const tail = await judgeTail(file, seed, { position, next })
    if (tail !== 'followed' && (await isHeld(folder, 'writer'))) return
    // A writer may have cut, written on and gone while we looked: only what is still so counts.
    const { end, fileBytes } = await index.scan(segment, file)
    if (end !== position || fileBytes <= position) return
    const at = place(segment, position, next)
    if (tail === 'followed') throw logCorrupt(at, 'whole frames follow one that cannot be read')
    if (tail === 'damaged') throw lastFrameDamaged(at)
    if (told !== next) onTornTail({ ...at, bytes: fileBytes - position, cut: false })
    told = next
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
        if (next <= at) throw await gone(at, end, next)
        at = next
      } finally {
        await file.close()
      }
    }
  }

  /** Why no segment has what comes at `at`, although one before it has what is before `next`. */
  async function gone(at: bigint, end: bigint, next: bigint): Promise<MillraceError> {
    const hole = (await listLost(folder)).find((span) => span.start <= at && at < span.end)
    if (hole === undefined) return rangeLost(topic.name, number, at, end, `the log ends at offset ${next}`)
    const why = "they were damaged and given up by 'millrace log repair'"
    return rangeLost(topic.name, number, at, hole.end < end ? hole.end : end, why)
  }

  async function kept(span: OffsetSpan): Promise<readonly OffsetSpan[]> {
    const earliest = (await listSegments(folder))[0]?.base ?? topic.firstOffset
    return keptParts(span, [{ start: -1n, end: earliest }, ...(await listLost(folder))])
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
    const missing = { start: known.next, end: following.base }
    if (missing.start < missing.end && keptParts(missing, await listLost(folder)).length === 0) return
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

  return { topic, number, seed, bounds, kept, runs, place }
}
