/**
 * Record batches as a broker keeps them (Kafka implementation guide, "Record Batch", magic 2): which of them count,
 * and their records' bytes.
 */
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { crc32c } from './checksum.ts'
import { type BatchPlace, Contradiction, damagedBatch, oversizedBatch } from './damaged-batch.ts'
import type { AbortedTransaction } from './fetch.ts'
import { TooLarge, unpack } from './unpack.ts'

/** The head of one batch. */
export interface BatchHead {
  /** Where the batch begins in the bytes it was found in, and where the next one does. */
  readonly at: number
  readonly next: number
  /** Offset of its first record, there or compacted away. */
  readonly baseOffset: bigint
  /** Offset of its last record, there or compacted away, from the base. */
  readonly lastOffsetDelta: number
  readonly attributes: number
  /**
   * Milliseconds; records add a delta, unless the broker stamped them all with `maxTimestamp`. NaN where a number does not
   * hold them exactly.
   */
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: bigint
  /** Records that are left in it: not more than its bytes hold, unless they are compressed. */
  readonly count: number
}

/** Bytes of a batch before its records. */
export const headBytes = 61
/** As far as the format's number, which is at the same place in all formats. */
const formatBytes = 17
const compressionMask = 0x07
const stampedByBroker = 0x08
/** Attribute of a batch that belongs to a transaction. */
export const transactional = 0x10
const control = 0x20
/** The least that a record takes: seven numbers of one byte. */
const leastRecordBytes = 7
const lastOffset = 2n ** 63n - 1n
/** Type of the control record that ends a transaction without effect. */
const abortMarker = 0

/** Offset after the last record of a batch, whether that is still there or not. */
export function endOffset(head: BatchHead): bigint {
  return head.baseOffset + BigInt(head.lastOffsetDelta) + 1n
}

/** The timestamp of all records where the broker stamped them; null where each has its own. */
export function brokerTimestamp(head: BatchHead): number | null {
  return (head.attributes & stampedByBroker) === 0 ? null : head.maxTimestamp
}

/**
 * The heads of the whole batches in `bytes`; one that is cut short at the end is left out. `SOURCE_READ_FAILED` if a
 * checksum does not match or a head contradicts itself, `KAFKA_UNSUPPORTED` for records in the formats before Kafka 0.11.
 */
export function batchHeads(bytes: Buffer, place: string): BatchHead[] {
  const heads: BatchHead[] = []
  let from = 0n
  for (let at = 0; bytes.length - at >= formatBytes; ) {
    const next = at + 12 + bytes.readInt32BE(at + 8)
    if (next - at < formatBytes)
      throw damagedBatch({ place, baseOffset: bytes.readBigInt64BE(at) }, `says that it is ${next - at} bytes long`)
    if (next > bytes.length) break
    const head = readHead(bytes, at, next, place)
    checkHead(head, from, place)
    heads.push(head)
    from = endOffset(head)
    at = next
  }
  return heads
}

function readHead(bytes: Buffer, at: number, next: number, place: string): BatchHead {
  const baseOffset = bytes.readBigInt64BE(at)
  if (bytes[at + 16] !== 2)
    throw new MillraceError(
      'KAFKA_UNSUPPORTED',
      `${place}: records at offset ${baseOffset} are in message format ${bytes[at + 16]}, which is not read (send them again with a producer of this decade)`,
    )
  if (next - at < headBytes)
    throw damagedBatch({ place, baseOffset }, `says that it is ${next - at} bytes long, less than its head`)
  if (crc32c(bytes.subarray(at + 21, next)) !== bytes.readUInt32BE(at + 17))
    throw new MillraceError(
      'SOURCE_READ_FAILED',
      `${place}: the batch of records at offset ${baseOffset} arrived damaged: its checksum does not match (if it stays so, the broker's disk is at fault)`,
      { retryable: true },
    )
  return {
    at,
    next,
    baseOffset,
    attributes: bytes.readInt16BE(at + 21),
    lastOffsetDelta: bytes.readInt32BE(at + 23),
    baseTimestamp: exact(bytes.readBigInt64BE(at + 27)),
    maxTimestamp: exact(bytes.readBigInt64BE(at + 35)),
    producerId: bytes.readBigInt64BE(at + 43),
    count: bytes.readInt32BE(at + 57),
  }
}

function exact(milliseconds: bigint): number {
  const number = Number(milliseconds)
  return Number.isSafeInteger(number) ? number : Number.NaN
}

/** @param from offset after the batch before it */
function checkHead(head: BatchHead, from: bigint, place: string): void {
  const { baseOffset, lastOffsetDelta, count } = head
  const refuse = (why: string) => {
    throw damagedBatch({ place, baseOffset }, why)
  }
  if (baseOffset < from) refuse(`begins before offset ${from}, where it may begin at the earliest`)
  if (lastOffsetDelta < 0 || endOffset(head) > lastOffset)
    refuse(`says that its last offset is ${lastOffsetDelta} later`)
  if (count < 0 || count > lastOffsetDelta + 1)
    refuse(`says that it has ${count} records in ${lastOffsetDelta + 1} offsets`)
  if ((head.attributes & compressionMask) === 0 && !canHold(head.next - head.at - headBytes, count))
    refuse(`says that it has ${count} records in ${head.next - head.at - headBytes} bytes`)
}

function canHold(bytes: number, count: number): boolean {
  return count === 0 ? bytes === 0 : bytes >= count * leastRecordBytes
}

/**
 * The batches whose records count: neither markers of transactions nor records of those that were aborted. `heads` are
 * all of one response, in order, and `aborted` what came with it. `SOURCE_READ_FAILED` for a marker that is none.
 */
export function settledBatches(
  bytes: Buffer,
  heads: readonly BatchHead[],
  aborted: readonly AbortedTransaction[],
  place = 'topic',
): BatchHead[] {
  const begun = aborted.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  const open = new Set<bigint>()
  return heads.filter((head) => {
    while (begun.length > 0 && begun[0]!.firstOffset < endOffset(head)) open.add(begun.shift()!.producerId)
    if ((head.attributes & control) !== 0) {
      if (isAbort(bytes, head, place)) open.delete(head.producerId)
      return false
    }
    return (head.attributes & transactional) === 0 || !open.has(head.producerId)
  })
}

/** A marker's key is its version and its type, 16 bits each, after the record's length, attributes and deltas. */
function isAbort(bytes: Buffer, head: BatchHead, place: string): boolean {
  if (head.count === 0) return false
  let at = head.at + headBytes
  const skipVarint = (): void => {
    while (at < head.next && bytes[at]! >= 0x80) at += 1
    at += 1
  }
  skipVarint() // length
  at += 1 // attributes
  skipVarint() // timestamp
  skipVarint() // offset
  skipVarint() // length of the key
  if ((head.attributes & compressionMask) !== 0 || at + 4 > head.next)
    throw damagedBatch({ place, baseOffset: head.baseOffset }, 'should end a transaction and does not say how')
  return bytes.readInt16BE(at + 2) === abortMarker
}

/** Where a batch's records are. */
export interface RecordBytes {
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
}

/** The records of a batch, unpacked if they are compressed: `SOURCE_READ_FAILED` if to more than `limit` bytes. */
export function recordBytes(bytes: Buffer, head: BatchHead, place: string, limit: number): RecordBytes {
  const compression = head.attributes & compressionMask
  if (compression === 0) return { bytes, from: head.at + headBytes, to: head.next }
  const packed = bytes.subarray(head.at + headBytes, head.next)
  const at: BatchPlace = { place, baseOffset: head.baseOffset }
  try {
    const unpacked = unpack(packed, compression, limit)
    if (!canHold(unpacked.length, head.count))
      throw new Contradiction(`it says that it has ${head.count} records, in ${unpacked.length} bytes`)
    return { bytes: unpacked, from: 0, to: unpacked.length }
  } catch (cause) {
    if (cause instanceof TooLarge) throw oversizedBatch(at, packed.length, limit)
    throw damagedBatch(at, `cannot be unpacked (compression ${compression}): ${messageOf(cause)}`, cause)
  }
}

/** Whether any of the batches is compressed. */
export function anyCompressed(heads: readonly BatchHead[]): boolean {
  return heads.some(({ attributes }) => (attributes & compressionMask) !== 0)
}
