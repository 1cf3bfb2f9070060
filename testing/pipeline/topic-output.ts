/** What a topic of the embedded log holds. */
import type { Table } from 'apache-arrow'
import { fileLogReader } from '../../connectors/file-log/reader.ts'
import { fileLogSource } from '../../connectors/file-log/source.ts'
import type { Clock } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { timeText } from '../../engine/readable.ts'

/** A record with the columns of a source of records. */
export type WrittenRecord = Readonly<Record<string, unknown>>

/** All records, partition by partition in the order of their offsets. `SOURCE_NOT_FOUND` for a topic that is not there. */
export async function recordsIn(dir: string, topic: string, clock: Clock): Promise<WrittenRecord[]> {
  const source = fileLogSource({ dir, choice: { topic }, clock })
  const reader = fileLogReader({ dir, onDataLoss: 'fail', identity: new Map() })
  const options = { maxBytes: Number.MAX_SAFE_INTEGER, signal: new AbortController().signal }
  try {
    const [first, latest] = [await source.start(), await source.latest()]
    if (latest.size === 0)
      throw new MillraceError('SOURCE_NOT_FOUND', `topic not found: ${topic} (no pipeline of the test names it)`)
    const records: WrittenRecord[] = []
    for (const [sourcePartition, end] of latest)
      for await (const { table } of reader.read(
        { sourcePartition, start: first.get(sourcePartition) ?? 0n, end },
        options,
      ))
        records.push(...recordsOf(table))
    return records
  } finally {
    await reader.close()
    await source.close()
  }
}

/** Copies: the table's memory may be used again. */
function recordsOf(table: Table): WrittenRecord[] {
  const column = (name: string) => table.getChild(name)!
  const times = column('timestamp').data[0]!
  const copied = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes))
  return Array.from({ length: table.numRows }, (_, row) => ({
    topic: column('topic').get(row),
    partition: column('partition').get(row),
    offset: column('offset').get(row),
    timestamp: times.getValid(row) ? timeText((times.values as BigInt64Array)[row]!, 'Z') : null,
    key: copied(column('key').get(row)),
    value: copied(column('value').get(row)),
    headers: [...column('headers').get(row)].map(({ key, value }) => ({ key, value: copied(value) })),
  }))
}
