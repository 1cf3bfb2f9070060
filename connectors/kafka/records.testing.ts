/** What the tests of the Kafka connector share: record batches made by hand, and tables of records as plain objects. */
import { type CompressionAlgorithmValue, compressionsAlgorithms, crc32c } from '@platformatic/kafka'
import type { Table } from 'apache-arrow'

export interface PlainRecord {
  readonly offset: bigint
  readonly timestampUs: bigint | null
  /** Bytes as hex. */
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [key: string, value: string | null])[]
}

/** The rows of a table of records. */
export function plainRecords(table: Table): PlainRecord[] {
  const column = (name: string) => table.getChild(name)!
  const timestamps = column('timestamp').data[0]!.values as BigInt64Array
  return Array.from({ length: table.numRows }, (_, row) => ({
    offset: column('offset').get(row) as bigint,
    timestampUs: column('timestamp').data[0]!.getValid(row) ? timestamps[row]! : null,
    key: hex(column('key').get(row)),
    value: hex(column('value').get(row)),
    headers: [...column('headers').get(row)].map((header) => [header.key as string, hex(header.value)] as const),
  }))
}

/** Bytes as hex, null as null. */
export function hex(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('hex')
}

/** One record of a batch made by hand; text counts as its bytes. */
export interface HandRecord {
  /** From the batch's base offset; default one after another. */
  readonly delta?: number
  /** Milliseconds from the batch's base timestamp; default 0. */
  readonly timestampDelta?: number
  readonly key?: Uint8Array | string | null
  readonly value?: Uint8Array | string | null
  readonly headers?: readonly (readonly [key: Uint8Array | string, value: Uint8Array | string | null])[]
}

export interface HandBatch {
  readonly baseOffset: bigint
  readonly records: readonly HandRecord[]
  /** Default: that of the last record. */
  readonly lastOffsetDelta?: number
  readonly baseTimestamp?: bigint
  readonly maxTimestamp?: bigint
  /** Bits beside the compression: 8 stamped by the broker, 16 transactional, 32 control. */
  readonly attributes?: number
  readonly compression?: CompressionAlgorithmValue
  readonly producerId?: bigint
}

export const stampedByBroker = 0x08
export const transactional = 0x10
export const control = 0x20

/** A record batch as the protocol's text says, written without the connector's encoder. */
export function handBatch(batch: HandBatch): Buffer {
  const records = Buffer.concat(batch.records.map((record, i) => handRecord(record, i)))
  const { compression = 'none', lastOffsetDelta = batch.records.at(-1)?.delta ?? batch.records.length - 1 } = batch
  const algorithm = compressionsAlgorithms[compression]
  const packed = compression === 'none' ? records : algorithm.compressSync(records)
  const head = Buffer.alloc(61)
  head.writeBigInt64BE(batch.baseOffset, 0)
  head.writeInt32BE(61 - 12 + packed.length, 8)
  head.writeInt8(2, 16)
  head.writeInt16BE((batch.attributes ?? 0) | algorithm.bitmask, 21)
  head.writeInt32BE(lastOffsetDelta, 23)
  head.writeBigInt64BE(batch.baseTimestamp ?? 0n, 27)
  head.writeBigInt64BE(batch.maxTimestamp ?? batch.baseTimestamp ?? 0n, 35)
  head.writeBigInt64BE(batch.producerId ?? -1n, 43)
  head.writeInt32BE(batch.records.length, 57)
  const whole = Buffer.concat([head, packed])
  whole.writeUInt32BE(crc32c(whole.subarray(21)), 17)
  return whole
}

/** The marker that ends a transaction. */
export function marker(type: 'abort' | 'commit', baseOffset: bigint, producerId: bigint): Buffer {
  const key = Buffer.from([0, 0, 0, type === 'commit' ? 1 : 0])
  const records = [{ key, value: Buffer.alloc(6) }]
  return handBatch({ baseOffset, producerId, records, attributes: transactional | control })
}

function handRecord({ delta, timestampDelta = 0, key = null, value = null, headers = [] }: HandRecord, index: number) {
  const body = Buffer.concat([
    Buffer.from([0]),
    zigzag(BigInt(timestampDelta)),
    zigzag(BigInt(delta ?? index)),
    lengthAndBytes(key),
    lengthAndBytes(value),
    zigzag(BigInt(headers.length)),
    ...headers.flatMap(([name, its]) => [lengthAndBytes(name), lengthAndBytes(its)]),
  ])
  return Buffer.concat([zigzag(BigInt(body.length)), body])
}

function lengthAndBytes(value: Uint8Array | string | null): Buffer {
  if (value === null) return zigzag(-1n)
  const bytes = Buffer.from(value)
  return Buffer.concat([zigzag(BigInt(bytes.length)), bytes])
}

function zigzag(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = value < 0n ? -2n * value - 1n : 2n * value
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}
