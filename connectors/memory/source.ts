/** Records from an array, for tests and examples: a source and the reader that belongs to it. */
import { type DataType, type Table, vectorFromArray } from 'apache-arrow'
import { batchOf, tableOf } from '../../engine/batch/arrow.ts'
import { recordSchema } from '../../engine/batch/record-columns.ts'
import type { Position, Range, RecordReader, RecordSource } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'

/** A record to be read; offsets follow from the order within its partition. */
export interface MemoryRecord {
  /** Default 0. */
  readonly partition?: number
  /** Text counts as its UTF-8 bytes; default null. */
  readonly key?: Uint8Array | string | null
  /** Null is a tombstone. */
  readonly value: Uint8Array | string | null
  /** Whole milliseconds since 1970; default 0. */
  readonly timestampMs?: number
  readonly headers?: readonly (readonly [key: string, value: Uint8Array])[]
}

export interface MemorySourceOptions {
  readonly records?: readonly MemoryRecord[]
  /** Default: one more than the highest that a record names. */
  readonly partitions?: number
  /** So many reads fail (`SOURCE_READ_FAILED`, retryable) before one succeeds. Default 0. */
  readonly failReads?: number
}

/** A source, its reader, and ways to change what they see. */
export interface MemorySource {
  readonly source: RecordSource
  readonly reader: RecordReader
  /** Adds records at the end of their partitions; one of a new number adds partitions. */
  append(...records: readonly MemoryRecord[]): void
  /** Forgets the records of a partition before an offset: reading them is `SOURCE_RANGE_LOST` from then on. */
  truncateBefore(partition: number, offset: bigint): void
  /** What was committed for lag tools, last. */
  committedOffsets(): Position
}

interface MemoryPartition {
  readonly records: MemoryRecord[]
  earliest: bigint
}

/** Source partitions are `memory/<p>`, offsets count from 0 in each. Tables yielded have one batch. */
export function memorySource(options: MemorySourceOptions = {}): MemorySource {
  const partitions: MemoryPartition[] = []
  let failuresLeft = options.failReads ?? 0
  let committed: Position = new Map()
  const grow = (count: number) => {
    while (partitions.length < count) partitions.push({ records: [], earliest: 0n })
  }
  const append = (...records: readonly MemoryRecord[]) => {
    for (const record of records) {
      grow((record.partition ?? 0) + 1)
      partitions[record.partition ?? 0]!.records.push(record)
    }
  }
  grow(options.partitions ?? 0)
  append(...(options.records ?? []))

  const positions = (of: (partition: MemoryPartition) => bigint): Position =>
    new Map(partitions.map((partition, p) => [`memory/${p}`, of(partition)]))

  /** The records of a range that is there; what is not is an error, never an early end. */
  const within = ({ sourcePartition, start, end }: Range): readonly MemoryRecord[] => {
    const { records, earliest } = partitions[numberOf(sourcePartition)] ?? { records: [], earliest: 0n }
    if (start < end && start < earliest) throw lost(sourcePartition, start, end < earliest ? end : earliest)
    if (start < end && end > records.length) throw lost(sourcePartition, BigInt(records.length), end)
    return records.slice(Number(start), Number(end))
  }

  return {
    source: {
      shape: 'records',
      start: async () => positions(({ earliest }) => earliest),
      latest: async () => positions(({ records }) => BigInt(records.length)),
      cut: async (range, limits) => ({ ...range, end: range.start + BigInt(prefix(within(range), limits)) }),
      count: async (range) => within(range).length,
      async commitOffsets(end) {
        committed = end
      },
      async close() {},
    },
    reader: {
      async *read(range, { maxBytes, signal }) {
        signal.throwIfAborted()
        if (failuresLeft > 0) {
          failuresLeft -= 1
          throw new MillraceError('SOURCE_READ_FAILED', 'memory source fails as scripted (try again)', {
            retryable: true,
          })
        }
        const records = within(range)
        const count = prefix(records, { maxRecords: records.length, maxBytes })
        if (count === 0) return
        yield { table: tableFrom(records.slice(0, count), range), end: range.start + BigInt(count) }
      },
      async close() {},
    },
    append,
    truncateBefore(partition, offset) {
      grow(partition + 1)
      partitions[partition]!.earliest = offset
    },
    committedOffsets: () => committed,
  }
}

function prefix(
  records: readonly MemoryRecord[],
  limits: { readonly maxRecords: number; readonly maxBytes: number },
): number {
  let bytes = 0
  for (const [i, { key, value, headers = [] }] of records.entries()) {
    for (const part of [key, value, ...headers.flat()]) bytes += bytesOf(part)?.length ?? 0
    if (i > 0 && (i >= limits.maxRecords || bytes > limits.maxBytes)) return i
  }
  return records.length
}

function tableFrom(records: readonly MemoryRecord[], { sourcePartition, start }: Range): Table {
  const columns: readonly (readonly unknown[])[] = [
    records.map(() => 'memory'),
    records.map(() => numberOf(sourcePartition)),
    records.map((_, i) => start + BigInt(i)),
    records.map(({ timestampMs }) => timestampMs ?? 0),
    records.map(({ key }) => bytesOf(key)),
    records.map(({ value }) => bytesOf(value)),
    records.map(({ headers }) => (headers ?? []).map(([key, value]) => ({ key, value }))),
  ]
  const data = recordSchema.fields.map(({ type }, i) => vectorFromArray(columns[i]!, type as DataType).data[0]!)
  return tableOf([batchOf(recordSchema.fields, data, records.length)])
}

function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array | null {
  return typeof value === 'string' ? Buffer.from(value) : (value ?? null)
}

function numberOf(sourcePartition: string): number {
  return Number(sourcePartition.slice(sourcePartition.lastIndexOf('/') + 1))
}

function lost(sourcePartition: string, start: bigint, end: bigint): MillraceError {
  return new MillraceError(
    'SOURCE_RANGE_LOST',
    `${sourcePartition} does not have offsets [${start}, ${end}) (read what it has)`,
    {
      context: { sourcePartition, start: String(start), end: String(end) },
    },
  )
}
