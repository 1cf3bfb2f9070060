/** What stands behind the last whole frame of a segment: nothing, what a crash left of a write, or damage. */
import type { FileHandle } from 'node:fs/promises'
import type { LogPlace } from './failures.ts'
import { bodyIntact, decodeHeader, fixedHeaderBytes, magic, maxProducerBytes, padded } from './frame.ts'
import { type FrameAt, readFully } from './segment.ts'

/**
 * `torn`: a write that was cut short, so that its frame was never acknowledged. `damaged`: a frame that was whole once. `followed`:
 * whole frames stand behind bytes that are none.
 */
export type TailKind = 'torn' | 'damaged' | 'followed'

/** A write that was cut short at the end of a log. */
export interface TornTail extends LogPlace {
  readonly bytes: number
  /** Whether they are cut off now; else they stand until somebody writes to the partition. */
  readonly cut: boolean
}

/** Where in a segment no whole frame begins, and the offset that the next one has. */
export interface TailPlace {
  readonly position: number
  readonly next: bigint
}

/** Judges what stands from `place` to the end of the file, which is at least a byte. */
export async function judgeTail(file: FileHandle, seed: number, place: TailPlace): Promise<TailKind> {
  const bytes = await restOf(file, place.position)
  if (wholeFrameIn(bytes, seed, place) !== null) return 'followed'
  return isTorn(bytes, seed) ? 'torn' : 'damaged'
}

/** The first whole frame with an offset of `place.next` or more behind `place.position`, or there. */
export async function findWholeFrame(file: FileHandle, seed: number, place: TailPlace): Promise<FrameAt | null> {
  return wholeFrameIn(await restOf(file, place.position), seed, place)
}

/**
 * Whether a write that was cut short explains the bytes: fewer than the frame has by its header, or than a header has. Zeros alone are
 * room that was never written to. A frame of its full length was written as a whole: if its checksum is wrong, that is
 * damage, whatever its bytes are.
 */
export function isTorn(bytes: Uint8Array, seed: number): boolean {
  const header = decodeHeader(bytes, 0, seed)
  if (header !== null) return bytes.length < header.frameBytes
  return bytes.length < headerBytesOf(bytes) || bytes.every((byte) => byte === 0)
}

/** As many bytes as the header takes, by its own word where that makes sense. */
function headerBytesOf(bytes: Uint8Array): number {
  if (bytes.length < fixedHeaderBytes) return fixedHeaderBytes
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const [length, idBytes] = [view.getUint32(12, true), view.getUint32(28, true)]
  return idBytes <= maxProducerBytes && length === fixedHeaderBytes + padded(idBytes) ? length : fixedHeaderBytes
}

function wholeFrameIn(bytes: Uint8Array, seed: number, { position, next }: TailPlace): FrameAt | null {
  for (let at = 0; at + fixedHeaderBytes <= bytes.length; at += 8) {
    if (bytes[at] !== (magic & 0xff)) continue // nearly always: decoding every place would take seconds
    const header = decodeHeader(bytes, at, seed)
    if (header === null || header.base < next || at + header.frameBytes > bytes.length) continue
    if (bodyIntact(bytes.subarray(at, at + header.frameBytes), header)) return { position: position + at, header }
  }
  return null
}

async function restOf(file: FileHandle, position: number): Promise<Uint8Array> {
  return readFully(file, position, (await file.stat()).size - position)
}
