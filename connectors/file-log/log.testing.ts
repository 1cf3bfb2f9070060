/** What the tests of the embedded log share: folders that go away, and reading everything back as plain records. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { Range } from '../../engine/contracts.ts'
import {
  openProducer,
  type ProducerBatch,
  type ProducerOptions,
  type ProducerRecord,
  producerBatch,
} from './producer.ts'
import { fileLogReader } from './reader.ts'

export interface PlainRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestampUs: bigint
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [key: string, value: string])[]
}

/** Runs `work` with a fresh folder, removed afterwards. */
export async function withFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  try {
    return await work(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** A producer with the machine's clock and ids. */
export function producerIn(
  dir: string,
  more: Pick<ProducerOptions, 'producerId' | 'segmentBytes' | 'onTornTail'> = {},
) {
  return openProducer({ dir, clock: systemClock, ids: systemIds, ...more })
}

/** A batch of the given records. */
export function batchOf(records: readonly ProducerRecord[]): ProducerBatch {
  const batch = producerBatch()
  for (const record of records) batch.add(record)
  return batch
}

/** A batch of texts for one partition, without keys, at time 0. */
export function texts(partition: number, ...values: readonly (string | Buffer)[]): ProducerBatch {
  return batchOf(values.map((value) => ({ partition, key: null, value: Buffer.from(value as string), timestampMs: 0 })))
}

/** Everything that one `read` yields, bytes as hex. */
export async function readRange(
  dir: string,
  range: Range,
  maxBytes = Number.MAX_SAFE_INTEGER,
  onDataLoss: 'fail' | 'continue' = 'fail',
): Promise<PlainRecord[]> {
  const reader = fileLogReader({ dir, onDataLoss })
  const records: PlainRecord[] = []
  for await (const { table, end } of reader.read(range, { maxBytes, signal: new AbortController().signal })) {
    const column = (name: string) => table.getChild(name)!
    const timestamps = column('timestamp').data[0]!.values as BigInt64Array
    for (let i = 0; i < table.numRows; i += 1) {
      records.push({
        topic: column('topic').get(i),
        partition: column('partition').get(i),
        offset: column('offset').get(i),
        timestampUs: timestamps[i]!,
        key: hex(column('key').get(i)),
        value: hex(column('value').get(i)),
        headers: [...column('headers').get(i)].map((header) => [header.key, hex(header.value)!]),
      })
    }
    if (table.numRows > 0 && end !== records.at(-1)!.offset + 1n) throw new Error(`a chunk says that it ends at ${end}`)
  }
  await reader.close()
  return records
}

/** Values as text of `[start, end)` of a partition. */
export async function readTexts(dir: string, sourcePartition: string, start: bigint, end: bigint): Promise<string[]> {
  const records = await readRange(dir, { sourcePartition, start, end })
  return records.map(({ value }) => Buffer.from(value ?? '', 'hex').toString())
}

/** Bytes as hex, null as null. */
export function hex(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('hex')
}
