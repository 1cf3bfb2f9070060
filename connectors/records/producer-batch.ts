/** Records gathered for one append, as columns: no object is kept per record, no byte copied until the append. */
import { MillraceError } from '../../engine/errors.ts'
import { partitionOf } from './partitioner.ts'

/** Keys may repeat; their order is kept. The embedded log keeps a value that is null as an empty one. */
export type RecordHeader = readonly [key: string, value: Uint8Array | null]

/** One record to be sent; its offset is for the log to give. */
export interface ProducerRecord {
  /** Where to write it; without one the key decides, as Kafka's default partitioner does. */
  readonly partition?: number
  readonly key: Uint8Array | null
  /** Null is a tombstone. */
  readonly value: Uint8Array | null
  /** Milliseconds since 1970; a fraction is kept to the microsecond. */
  readonly timestampMs: number | bigint
  readonly headers?: readonly RecordHeader[]
}

/** Columns of equal length, one entry per record in the order in which they were added. */
export interface RecordColumns {
  readonly keys: readonly (Uint8Array | null)[]
  readonly values: readonly (Uint8Array | null)[]
  readonly timestampsUs: readonly bigint[]
  /** Empty as long as no record has any. */
  readonly headers: readonly (readonly RecordHeader[] | undefined)[]
  /** -1 where the key decides. */
  readonly partitions: readonly number[]
}

/** Records gathered in columns, to be appended together. */
export interface ProducerBatch {
  readonly columns: RecordColumns
  count(): number
  /** Bytes of keys and values. */
  sizeBytes(): number
  /** Adds a record. Its arrays are kept, not copied: don't change them before the append is done. */
  add(record: ProducerRecord): void
  /** Another batch, of all records but those at these places. */
  without(rows: ReadonlySet<number>): ProducerBatch
}

/** An empty batch. */
export function producerBatch(): ProducerBatch {
  const keys: (Uint8Array | null)[] = []
  const values: (Uint8Array | null)[] = []
  const timestampsUs: bigint[] = []
  const headers: (readonly RecordHeader[] | undefined)[] = []
  const partitions: number[] = []
  let bytes = 0
  return {
    columns: { keys, values, timestampsUs, headers, partitions },
    count: () => keys.length,
    sizeBytes: () => bytes,
    add(record) {
      timestampsUs.push(microseconds(record.timestampMs))
      if (record.headers !== undefined && record.headers.length > 0) headers[keys.length] = record.headers
      partitions.push(record.partition ?? -1)
      keys.push(record.key)
      values.push(record.value)
      bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
    },
    without(rows) {
      const rest = producerBatch()
      for (const [i, key] of keys.entries()) {
        if (rows.has(i)) continue
        const partition = partitions[i]!
        const timestampMs = timestampsUs[i]! % 1000n === 0n ? timestampsUs[i]! / 1000n : Number(timestampsUs[i]!) / 1000
        const record = { key, value: values[i]!, timestampMs, headers: headers[i] ?? [] }
        rest.add(partition === -1 ? record : { ...record, partition })
      }
      return rest
    },
  }
}

/**
 * The rows of each partition, in their order. Records without partition and key go round robin, the first to
 * `firstTurn`.
 */
export function rowsByPartition(
  columns: RecordColumns,
  partitionCount: number,
  firstTurn: number,
): ReadonlyMap<number, readonly number[]> {
  const rows = new Map<number, number[]>()
  let turn = firstTurn
  for (let row = 0; row < columns.keys.length; row += 1) {
    let partition = columns.partitions[row]!
    if (partition === -1) {
      const key = columns.keys[row]!
      partition = key === null ? turn++ % partitionCount : partitionOf(key, partitionCount)
    }
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount)
      throw new MillraceError(
        'CONFIG_INVALID',
        `record ${row} of a batch names partition ${partition} of a topic with ${partitionCount} (0 to ${partitionCount - 1})`,
      )
    const found = rows.get(partition)
    if (found === undefined) rows.set(partition, [row])
    else found.push(row)
  }
  return rows
}

/** `CONFIG_INVALID` for what is no time, or one that 64 bits of microseconds do not hold: it would become another. */
function microseconds(timestampMs: number | bigint): bigint {
  const time = toMicroseconds(timestampMs)
  if (time !== null && time === BigInt.asIntN(64, time)) return time
  throw new MillraceError(
    'CONFIG_INVALID',
    `timestamp is not a number of milliseconds that can be kept as microseconds: ${timestampMs} (is it in other units?)`,
  )
}

function toMicroseconds(timestampMs: number | bigint): bigint | null {
  if (typeof timestampMs === 'bigint') return timestampMs * 1000n
  if (Number.isInteger(timestampMs)) return BigInt(timestampMs) * 1000n
  return Number.isFinite(timestampMs) ? BigInt(Math.round(timestampMs * 1000)) : null
}
