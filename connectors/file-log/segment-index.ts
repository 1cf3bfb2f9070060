/** What a reader knows of a partition's segments, so that what was scanned once is not scanned again. */
import type { FileHandle } from 'node:fs/promises'
import { type FrameAt, type Segment, type SegmentScan, scanSegment } from './segment.ts'

/** A segment's whole frames so far. Scans, those of others too, add to them in place; they never change, unless damaged ones are given up. */
export interface KnownSegment {
  readonly frames: readonly FrameAt[]
  /** Where the whole frames end in the file, and the offset that follows them. */
  readonly end: number
  readonly next: bigint
  readonly fileBytes: number
}

/** Index of the segments used last. */
export interface SegmentIndex {
  /** What is known without looking. */
  known(segment: Segment): KnownSegment | undefined
  /** Looks for frames that were added since; calls may overlap. */
  scan(segment: Segment, file: FileHandle): Promise<KnownSegment>
}

interface GrowingSegment extends KnownSegment {
  readonly frames: FrameAt[]
  end: number
  next: bigint
  fileBytes: number
}

const mostKnownSegments = 8

/** @param seed signs the partition's frame headers */
export function segmentIndex(seed: number): SegmentIndex {
  const segments = new Map<bigint, GrowingSegment>()
  return {
    known: ({ base }) => segments.get(base),
    async scan({ base }, file) {
      const known = segments.get(base)
      const isCut = known !== undefined && (await file.stat()).size < known.end
      const segment = known === undefined || isCut ? { frames: [], end: 0, next: base, fileBytes: 0 } : known
      const from = { end: segment.end, next: segment.next }
      const found = await scanSegment(file, seed, from)
      if (segment.end === from.end) extend(segment, found) // else another call has scanned the same frames meanwhile
      segments.delete(base)
      segments.set(base, segment)
      for (const oldest of segments.keys()) {
        if (segments.size <= mostKnownSegments) break
        segments.delete(oldest)
      }
      return segment
    },
  }
}

function extend(segment: GrowingSegment, found: SegmentScan): void {
  for (const frame of found.frames) segment.frames.push(frame)
  segment.end = found.end
  segment.next = found.next
  segment.fileBytes = found.fileBytes
}

/** The frames that hold records of `[start, end)`, by binary search. */
export function framesWithin({ frames }: KnownSegment, start: bigint, end: bigint): readonly FrameAt[] {
  let low = 0
  let high = frames.length
  while (low < high) {
    const middle = (low + high) >> 1
    const { base, count } = frames[middle]!.header
    if (base + BigInt(count) <= start) low = middle + 1
    else high = middle
  }
  const first = low
  while (low < frames.length && frames[low]!.header.base < end) low += 1
  return frames.slice(first, low)
}
