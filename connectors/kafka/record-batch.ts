/**
 * Record batches as a broker keeps them (Kafka implementation guide, "Record Batch", magic 2): which of them count,
 * and their records' bytes.
 */
import { compressionsAlgorithmsByBitmask } from '@platformatic/kafka'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { crc32c } from './checksum.ts'
import type { AbortedTransaction } from './fetch.ts'

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
  /** Milliseconds; records add a delta, unless the broker stamped them all with `maxTimestamp`. */
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: bigint
  /** Records that are left in it. */
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
 * checksum does not match, `KAFKA_UNSUPPORTED` for records in the formats before Kafka 0.11.
 */
export function batchHeads(bytes: Buffer, place: string): BatchHead[] {
  const heads: BatchHead[] = []
  for (let at = 0; bytes.length - at >= formatBytes; ) {
    const next = at + 12 + bytes.readInt32BE(at + 8)
    if (next > bytes.length) break
    heads.push(readHead(bytes, at, next, place))
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
    baseTimestamp: Number(bytes.readBigInt64BE(at + 27)),
    maxTimestamp: Number(bytes.readBigInt64BE(at + 35)),
    producerId: bytes.readBigInt64BE(at + 43),
    count: bytes.readInt32BE(at + 57),
  }
}

/**
 * The batches whose records count: neither markers of transactions nor records of those that were aborted. `heads` are
 * all of one response, in order, and `aborted` what came with it.
 */
export function settledBatches(
  bytes: Buffer,
  heads: readonly BatchHead[],
  aborted: readonly AbortedTransaction[],
): BatchHead[] {
  const begun = aborted.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  const open = new Set<bigint>()
  return heads.filter((head) => {
    while (begun.length > 0 && begun[0]!.firstOffset < endOffset(head)) open.add(begun.shift()!.producerId)
    if ((head.attributes & control) !== 0) {
      if (isAbort(bytes, head)) open.delete(head.producerId)
      return false
    }
    return (head.attributes & transactional) === 0 || !open.has(head.producerId)
  })
}

/** A marker's key is its version and its type, 16 bits each, after the record's length, attributes and deltas. */
function isAbort(bytes: Buffer, head: BatchHead): boolean {
  if (head.count === 0) return false
  let at = head.at + headBytes
  const skipVarint = (): void => {
    while (bytes[at]! >= 0x80) at += 1
    at += 1
  }
  skipVarint() // length
  at += 1 // attributes
  skipVarint() // timestamp
  skipVarint() // offset
  skipVarint() // length of the key
  return bytes.readInt16BE(at + 2) === abortMarker
}

/** Where a batch's records are. */
export interface RecordBytes {
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
}

/** The records of a batch, unpacked if they are compressed. */
export function recordBytes(bytes: Buffer, head: BatchHead, place: string): RecordBytes {
  const compression = head.attributes & compressionMask
  if (compression === 0) return { bytes, from: head.at + headBytes, to: head.next }
  const algorithm = compressionsAlgorithmsByBitmask[compression as keyof typeof compressionsAlgorithmsByBitmask]
  try {
    if (algorithm === undefined) throw new Error('no such compression is known')
    const unpacked = algorithm.decompressSync(bytes.subarray(head.at + headBytes, head.next))
    return { bytes: unpacked, from: 0, to: unpacked.length }
  } catch (cause) {
    throw new MillraceError(
      'SOURCE_READ_FAILED',
      `${place}: the batch of records at offset ${head.baseOffset} cannot be unpacked (compression ${compression}): ${messageOf(cause)}`,
      { cause },
    )
  }
}

/** Whether any of the batches is compressed. */
export function anyCompressed(heads: readonly BatchHead[]): boolean {
  return heads.some(({ attributes }) => (attributes & compressionMask) !== 0)
}
