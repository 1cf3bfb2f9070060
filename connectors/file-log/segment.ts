/**
 * Segment files: `<offset of the first record, 20 digits>.log`, frames one after another. A segment that is not the
 * last of its partition is finished and never changes.
 */
import { type FileHandle, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isSystemError } from '../../engine/errors.ts'
import { folderMissing, storageFailed } from './failures.ts'
import { bodyIntact, decodeHeader, type FrameHeader, fixedHeaderBytes, maxProducerBytes } from './frame.ts'

/** One file of a partition, named by its first offset. */
export interface Segment {
  /** Offset of its first record. */
  readonly base: bigint
  readonly path: string
}

/** A frame and where in its segment it begins. */
export interface FrameAt {
  readonly position: number
  readonly header: FrameHeader
}

/** The frames of a segment as far as they are whole. */
export interface SegmentScan {
  readonly frames: readonly FrameAt[]
  /** Byte position after the last whole frame. */
  readonly end: number
  /** Offset after the last whole frame. */
  readonly next: bigint
  /** Bytes of the file when it was scanned; more than `end` when the rest is torn, damaged or still being written. */
  readonly fileBytes: number
}

/** Path of the segment that begins at `base`. */
export function segmentPath(partitionPath: string, base: bigint): string {
  return join(partitionPath, `${base.toString().padStart(20, '0')}.log`)
}

/** Segments of a partition in the order of their offsets. `LOG_CORRUPT` if its folder, which the topic was made with, is missing. */
export async function listSegments(partitionPath: string): Promise<Segment[]> {
  const names = await readdir(partitionPath).catch((error) => {
    if (isSystemError(error, 'ENOENT')) throw folderMissing(partitionPath)
    throw storageFailed(partitionPath, 'list segments', error)
  })
  const segments = names.filter((name) => /^\d{20}\.log$/.test(name)).sort()
  return segments.map((name) => ({ base: BigInt(name.slice(0, 20)), path: join(partitionPath, name) }))
}

/**
 * Scans headers from `from` on, where the frame with offset `from.next` is expected; reads no body but the very last
 * one, since only the last frame can be incomplete: a writer begins a frame when the one before is on disk.
 */
export async function scanSegment(
  file: FileHandle,
  seed: number,
  from: { readonly end: number; readonly next: bigint },
): Promise<SegmentScan> {
  const fileBytes = (await file.stat()).size
  const window = headerWindow(file, fileBytes)
  const frames: FrameAt[] = []
  let { end, next } = from
  for (;;) {
    const header = await window(end, seed)
    if (header === null || header.base !== next || end + header.frameBytes > fileBytes) break
    frames.push({ position: end, header })
    end += header.frameBytes
    next += BigInt(header.count)
  }
  const last = frames.at(-1)
  if (last !== undefined && !(await frameIntact(file, last))) {
    frames.pop()
    end = last.position
    next = last.header.base
  }
  return { frames, end, next, fileBytes }
}

/** `length` bytes at `position`, fewer where the file ends; in memory of their own, or at the beginning of `memory` if they fit there; aligned to 8 bytes. */
export async function readFully(
  file: FileHandle,
  position: number,
  length: number,
  memory?: Uint8Array,
): Promise<Uint8Array> {
  const bytes =
    memory !== undefined && memory.length >= length
      ? memory.subarray(0, length)
      : new Uint8Array(Buffer.allocUnsafeSlow(Math.max(0, length)).buffer)
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled === bytes.length ? bytes : bytes.subarray(0, filled)
}

/** Whether a frame's bytes are all there, and those that were written. */
export async function frameIntact(file: FileHandle, { position, header }: FrameAt): Promise<boolean> {
  const bytes = await readFully(file, position, header.frameBytes)
  return bytes.length === header.frameBytes && bodyIntact(bytes, header)
}

const leastWindowBytes = 1024
const mostWindowBytes = 1024 * 1024

/** Reads ahead only where frames are small, so that scanning large frames costs one small read each. */
function headerWindow(
  file: FileHandle,
  fileBytes: number,
): (position: number, seed: number) => Promise<FrameHeader | null> {
  let start = 0
  let bytes: Uint8Array = new Uint8Array(0)
  let size = leastWindowBytes
  return async (position, seed) => {
    const needed = Math.min(fixedHeaderBytes + maxProducerBytes, fileBytes - position)
    if (position + needed > start + bytes.length) {
      size = position <= start + bytes.length ? Math.min(size * 2, mostWindowBytes) : leastWindowBytes
      start = position
      bytes = await readFully(file, position, Math.min(size, fileBytes - position))
    }
    return decodeHeader(bytes, position - start, seed)
  }
}
