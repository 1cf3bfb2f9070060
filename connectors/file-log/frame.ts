/**
 * The frame: one appended batch of one partition, columnar, so that its bytes become Arrow buffers as they are.
 *
 * Little endian; the header and every section are padded with zeros to 8 bytes.
 *
 * | at | type | field |
 * | --- | --- | --- |
 * | 0 | u32 | magic `MLRF` |
 * | 4 | u32 | version, 1 |
 * | 8 | u32 | length of the frame in bytes |
 * | 12 | u32 | length of the header: 96 and the producer's id, padded |
 * | 16 | i64 | offset of the first record |
 * | 24 | u32 | records |
 * | 28 | u32 | length of the producer's id in bytes, 0 for none |
 * | 32, 40 | i64 | least and greatest timestamp, microseconds |
 * | 48 | i64 | producer's sequence number, -1 for none |
 * | 56, 60 | u32 | null keys, null values |
 * | 64, 68 | u32 | bytes of keys, of values |
 * | 72, 76, 80 | u32 | headers: how many, bytes of their keys, of their values |
 * | 84 | u32 | CRC-32 of the body |
 * | 88 | u32 | 0 |
 * | 92 | u32 | CRC-32 of all other header bytes, seeded by topic id and partition |
 *
 * The body: timestamps (i64), then for keys and for values validity (bits, least significant first), offsets (i32, one
 * more than records) and data, then, if there are headers, offsets per record, and offsets and data of header keys and
 * of header values.
 */
import { crc32 } from 'node:zlib'
import { MillraceError } from '../../engine/errors.ts'

/** The first four bytes of every frame, little endian. */
export const magic = 0x46524c4d // 'MLRF'
const frameVersion = 1
/** Size of the part of a header that every frame has. */
export const fixedHeaderBytes = 96
/** Arrow's 32-bit offsets allow less than 2 GiB per column; a frame stays well below. */
export const maxFrameBytes = 2 ** 29
/** A producer's id may be this long in UTF-8. */
export const maxProducerBytes = 1024

/** What a frame says of itself before its records. */
export interface FrameHeader {
  readonly frameBytes: number
  readonly headerBytes: number
  readonly base: bigint
  readonly count: number
  /** Null for a producer that does not number its batches. */
  readonly producerId: string | null
  readonly sequence: bigint
  readonly minTimestampUs: bigint
  readonly maxTimestampUs: bigint
  readonly keyNulls: number
  readonly valueNulls: number
  readonly keyBytes: number
  readonly valueBytes: number
  readonly headerCount: number
  readonly headerKeyBytes: number
  readonly headerValueBytes: number
  readonly bodyCrc: number
}

/** Byte positions of the sections, from the start of the frame. */
export interface FrameLayout {
  readonly timestamps: number
  readonly keyValidity: number
  readonly keyOffsets: number
  readonly keys: number
  readonly valueValidity: number
  readonly valueOffsets: number
  readonly values: number
  readonly headerOffsets: number
  readonly headerKeyOffsets: number
  readonly headerKeys: number
  readonly headerValueOffsets: number
  readonly headerValues: number
  readonly end: number
}

type Sizes = Pick<
  FrameHeader,
  'headerBytes' | 'count' | 'keyBytes' | 'valueBytes' | 'headerCount' | 'headerKeyBytes' | 'headerValueBytes'
>

/** Where the sections of a frame with these sizes are. */
export function frameLayout(sizes: Sizes): FrameLayout {
  const { count, headerCount } = sizes
  let at = sizes.headerBytes
  const section = (bytes: number) => {
    const start = at
    at += padded(bytes)
    return start
  }
  const listBytes = headerCount === 0 ? 0 : 4 * (count + 1)
  const entryBytes = headerCount === 0 ? 0 : 4 * (headerCount + 1)
  return {
    timestamps: section(8 * count),
    keyValidity: section(Math.ceil(count / 8)),
    keyOffsets: section(4 * (count + 1)),
    keys: section(sizes.keyBytes),
    valueValidity: section(Math.ceil(count / 8)),
    valueOffsets: section(4 * (count + 1)),
    values: section(sizes.valueBytes),
    headerOffsets: section(listBytes),
    headerKeyOffsets: section(entryBytes),
    headerKeys: section(sizes.headerKeyBytes),
    headerValueOffsets: section(entryBytes),
    headerValues: section(sizes.headerValueBytes),
    end: at,
  }
}

/**
 * The header at `at` of `bytes`, or null where none with a right checksum is, for this partition's seed. A version that
 * is not ours is `SOURCE_READ_FAILED`, lest it be taken for a torn frame.
 */
export function decodeHeader(bytes: Uint8Array, at: number, seed: number): FrameHeader | null {
  if (at + fixedHeaderBytes > bytes.length) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at)
  if (view.getUint32(0, true) !== magic) return null
  const headerBytes = view.getUint32(12, true)
  const idBytes = view.getUint32(28, true)
  if (idBytes > maxProducerBytes || headerBytes !== fixedHeaderBytes + padded(idBytes)) return null
  if (headerBytes > view.byteLength || view.getUint32(92, true) !== headerCrc(bytes, at, headerBytes, seed)) return null
  const version = view.getUint32(4, true)
  if (version !== frameVersion)
    throw new MillraceError(
      'SOURCE_READ_FAILED',
      `log has a frame of version ${version}, and this program knows ${frameVersion} (use the program that wrote it)`,
    )
  return {
    frameBytes: view.getUint32(8, true),
    headerBytes,
    base: view.getBigInt64(16, true),
    count: view.getUint32(24, true),
    producerId: idBytes === 0 ? null : decodeId(bytes, at + fixedHeaderBytes, idBytes),
    sequence: view.getBigInt64(48, true),
    minTimestampUs: view.getBigInt64(32, true),
    maxTimestampUs: view.getBigInt64(40, true),
    keyNulls: view.getUint32(56, true),
    valueNulls: view.getUint32(60, true),
    keyBytes: view.getUint32(64, true),
    valueBytes: view.getUint32(68, true),
    headerCount: view.getUint32(72, true),
    headerKeyBytes: view.getUint32(76, true),
    headerValueBytes: view.getUint32(80, true),
    bodyCrc: view.getUint32(84, true),
  }
}

/** Writes a header into the first bytes of `frame`, all but what {@link sealFrame} adds. */
export function writeHeader(frame: Uint8Array, header: Omit<FrameHeader, 'base'>): void {
  const view = new DataView(frame.buffer, frame.byteOffset, header.headerBytes)
  const idBytes = header.producerId === null ? 0 : Buffer.byteLength(header.producerId)
  const words: readonly (readonly [at: number, value: number])[] = [
    [0, magic],
    [4, frameVersion],
    [8, header.frameBytes],
    [12, header.headerBytes],
    [24, header.count],
    [28, idBytes],
    [56, header.keyNulls],
    [60, header.valueNulls],
    [64, header.keyBytes],
    [68, header.valueBytes],
    [72, header.headerCount],
    [76, header.headerKeyBytes],
    [80, header.headerValueBytes],
    [84, header.bodyCrc],
  ]
  for (const [at, value] of words) view.setUint32(at, value, true)
  view.setBigInt64(32, header.minTimestampUs, true)
  view.setBigInt64(40, header.maxTimestampUs, true)
  view.setBigInt64(48, header.sequence, true)
  if (header.producerId !== null) new TextEncoder().encodeInto(header.producerId, frame.subarray(fixedHeaderBytes))
}

/** Gives a frame its place in a partition: the offset of its first record, and the header's checksum. */
export function sealFrame(frame: Uint8Array, base: bigint, seed: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  view.setBigInt64(16, base, true)
  view.setUint32(92, headerCrc(frame, 0, view.getUint32(12, true), seed), true)
}

/** Whether the body of a whole frame is the one that was written. */
export function bodyIntact(frame: Uint8Array, header: FrameHeader): boolean {
  return crc32(frame.subarray(header.headerBytes, header.frameBytes)) === header.bodyCrc
}

/** The next multiple of 8. */
export function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8
}

function headerCrc(bytes: Uint8Array, at: number, headerBytes: number, seed: number): number {
  const fixed = crc32(bytes.subarray(at, at + 92), seed)
  return crc32(bytes.subarray(at + fixedHeaderBytes, at + headerBytes), fixed)
}

function decodeId(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString()
}
