/** How many bytes LZ4 frames unpack to, without unpacking them (LZ4 frame and block format descriptions). */
import { Contradiction } from './damaged-batch.ts'

const frameMagic = 0x184d2204
const hasBlockChecksums = 0x10
const hasContentSize = 0x08
const hasContentChecksum = 0x04
const hasDictionary = 0x01
const storedAsItIs = 0x8000_0000
/** A byte more of a match's length stands for so many bytes. */
const mostPerByte = 255

/**
 * At least the size of what the frames unpack to. It is cheap where that is within `limit` whatever the blocks hold, and exact
 * where it is not.
 */
export function lz4Size(bytes: Buffer, limit: number): number {
  const blocks = blocksOf(bytes)
  const most = blocks.reduce((sum, { length, largest, stored }) => {
    return sum + (stored ? length : Math.min(largest, length * mostPerByte))
  }, 0)
  if (most <= limit) return most
  return blocks.reduce((sum, { at, length, stored }) => sum + (stored ? length : blockSize(bytes, at, at + length)), 0)
}

interface Block {
  readonly at: number
  readonly length: number
  /** Most bytes that a block of its frame may unpack to. */
  readonly largest: number
  readonly stored: boolean
}

function blocksOf(bytes: Buffer): Block[] {
  const blocks: Block[] = []
  for (let at = 0; at < bytes.length; ) at = readFrame(bytes, at, blocks)
  return blocks
}

/** Adds the frame's blocks; returns where the next frame begins. */
function readFrame(bytes: Buffer, start: number, blocks: Block[]): number {
  if (bytes.length - start < 7 || bytes.readUInt32LE(start) !== frameMagic)
    throw new Contradiction('there is no frame of LZ4 where one should be')
  const flags = bytes[start + 4]!
  const largest = 2 ** (8 + 2 * ((bytes[start + 5]! >> 4) & 7)) // 4: 64 KiB ... 7: 4 MiB
  let at = start + 6 + ((flags & hasContentSize) === 0 ? 0 : 8) + ((flags & hasDictionary) === 0 ? 0 : 4) + 1
  for (;;) {
    if (bytes.length - at < 4) throw new Contradiction('a frame of LZ4 has no end')
    const word = bytes.readUInt32LE(at)
    at += 4
    if (word === 0) return at + ((flags & hasContentChecksum) === 0 ? 0 : 4)
    const length = word % storedAsItIs
    if (length > bytes.length - at) throw new Contradiction('a block of LZ4 is longer than what is there')
    blocks.push({ at, length, largest, stored: word >= storedAsItIs })
    at += length + ((flags & hasBlockChecksums) === 0 ? 0 : 4)
  }
}

/** Adds up the lengths of a block's literals and matches. */
function blockSize(bytes: Buffer, from: number, end: number): number {
  let size = 0
  for (let at = from; at < end; ) {
    const token = bytes[at++]!
    let literals = token >> 4
    if (literals === 15) for (let more = 255; more === 255 && at < end; literals += more) more = bytes[at++]!
    size += literals
    at += literals
    if (at >= end) break // the last one has no match
    at += 2 // how far back
    let match = token & 15
    if (match === 15) for (let more = 255; more === 255 && at < end; match += more) more = bytes[at++]!
    size += match + 4
  }
  return size
}
