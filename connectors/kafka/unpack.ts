/** Unpacking what producers compressed, in bounded memory whatever the bytes claim of themselves. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { isSystemError } from '../../engine/errors.ts'
import { Contradiction } from './damaged-batch.ts'
import { lz4Size } from './lz4-size.ts'

/** Unpacked bytes would be more than are allowed. */
export class TooLarge extends Error {}

/**
 * The unpacked bytes of a batch's records; `compression` is the number in its attributes. {@link TooLarge} where they are
 * more than `limit` bytes, found before memory is taken for them; any other error where they cannot be unpacked.
 */
export function unpack(packed: Buffer, compression: number, limit: number): Buffer {
  if (packed.length === 0) return packed
  switch (compression) {
    case 1:
      return withinLimit(() => gunzipSync(packed, { maxOutputLength: limit }))
    case 2:
      return snappy(packed, limit)
    case 3:
      if (lz4Size(packed, limit) > limit) throw new TooLarge()
      return compressionsAlgorithms.lz4.decompressSync(packed)
    case 4:
      return withinLimit(() => zstdDecompressSync(packed, { maxOutputLength: limit }))
    default:
      throw new Contradiction('no such compression is known')
  }
}

/** Node stops at the limit. */
function withinLimit(work: () => Buffer): Buffer {
  try {
    return work()
  } catch (error) {
    if (isSystemError(error, 'ERR_BUFFER_TOO_LARGE')) throw new TooLarge()
    throw error
  }
}

/** Begins what Java producers write: blocks one after another, each behind its length. */
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const xerialHeadBytes = 16

/** Memory is taken for what the bytes claim, so that claims are checked before. */
function snappy(packed: Buffer, limit: number): Buffer {
  if (snappySize(packed) > limit) throw new TooLarge()
  return compressionsAlgorithms.snappy.decompressSync(packed)
}

function snappySize(packed: Buffer): number {
  if (!packed.subarray(0, xerialMagic.length).equals(xerialMagic)) return claimedSize(packed)
  let size = 0
  for (let at = xerialHeadBytes; at < packed.length; ) {
    const length = packed.length - at < 4 ? Number.POSITIVE_INFINITY : packed.readUInt32BE(at)
    at += 4
    if (length > packed.length - at) throw new Contradiction('a block of snappy is longer than what is there')
    size += claimedSize(packed.subarray(at, at + length))
    at += length
  }
  return size
}

/** A copy of three bytes gives 64 at most; no block can be more than that. */
const mostPerByte = 22

/** What a block of snappy claims to unpack to, little endian in seven bits a byte. */
function claimedSize(block: Buffer): number {
  let size = 0
  for (let i = 0; i < 5; i += 1) {
    const byte = block[i]
    if (byte === undefined) break
    size += (byte & 0x7f) * 2 ** (7 * i)
    if (byte >= 0x80) continue
    if (size > block.length * mostPerByte)
      throw new Contradiction(`a block of snappy claims to unpack from ${block.length} bytes to ${size}`)
    return size
  }
  throw new Contradiction('a block of snappy does not say how long it is')
}
