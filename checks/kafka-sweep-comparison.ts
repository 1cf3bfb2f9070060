/** What the tables and topics of the storm hold, beside what they must hold: told from the topic's records alone. */

import type { Place } from '../cli/place.ts'
import { openWorkspace } from '../cli/workspace.ts'
import { selectTable } from '../connectors/delta/read.ts'
import { type KafkaClient, openKafkaClient } from '../connectors/kafka/client.ts'
import { listOffsets } from '../connectors/kafka/offsets.ts'
import { kafkaReader } from '../connectors/kafka/reader.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import { sourcePartition } from '../connectors/records/source-partition.ts'
import { defaultMemoryLimitBytes } from '../engine/memory.ts'

/** Rows of the one that the other lacks, counting repeats. */
export interface Difference {
  readonly rows: number
  readonly lost: number
  readonly extra: number
}

interface TopicRow {
  readonly partition: number
  readonly offset: bigint
  readonly value: string
}

export interface ComparisonOptions {
  readonly dataDir: string
  readonly settings: KafkaSettings
  readonly topic: string
  readonly output: string
}

/** By what is compared. */
export async function compareAll(options: ComparisonOptions): Promise<Readonly<Record<string, Difference>>> {
  const client = openKafkaClient(options.settings)
  const records = await topicRows(client, options.topic)
  const output = await topicRows(client, options.output)
  await client.close()
  const good = records.filter(({ value }) => value.startsWith('{'))
  const poison = records.filter(({ value }) => !value.startsWith('{'))
  const newest = new Map<number, TopicRow>()
  for (const row of good) {
    const { id } = JSON.parse(row.value) as { id: number }
    const known = newest.get(id)
    if (known === undefined || known.offset < row.offset) newest.set(id, row)
  }
  const workspace = await openWorkspace({
    dataDir: options.dataDir,
    workers: 0,
    memoryLimitBytes: defaultMemoryLimitBytes,
  })
  try {
    return {
      append: difference(good.map(place), (await tableRows(workspace, 'sweep/append')).map(place)),
      merge: difference([...newest.values()].map(place), (await tableRows(workspace, 'sweep/merge')).map(place)),
      deadLetters: difference(poison.map(place), (await tableRows(workspace, 'dead_letters/sweep')).map(place)),
      forwarded: difference(
        good.map(({ value }) => value),
        output.map(({ value }) => value),
      ),
    }
  } finally {
    await workspace.close()
  }
}

function place({ partition, offset, value }: TopicRow): string {
  return `${partition}/${offset} ${value}`
}

function difference(expected: readonly string[], found: readonly string[]): Difference {
  const counts = new Map<string, number>()
  for (const row of expected) counts.set(row, (counts.get(row) ?? 0) + 1)
  for (const row of found) counts.set(row, (counts.get(row) ?? 0) - 1)
  const missing = [...counts.values()]
  const sum = (sign: number): number => missing.reduce((total, count) => total + Math.max(0, sign * count), 0)
  return { rows: found.length, lost: sum(1), extra: sum(-1) }
}

async function topicRows(client: KafkaClient, name: string): Promise<TopicRow[]> {
  const topic = (await client.topics([name])).get(name)!
  const reader = kafkaReader({ client, onDataLoss: 'fail', identity: new Map() })
  const rows: TopicRow[] = []
  for (let partition = 0; partition < topic.leaders.length; partition += 1) {
    const [start = 0n] = await listOffsets(client, [{ topic, partition }], 'earliest')
    const [end = 0n] = await listOffsets(client, [{ topic, partition }], 'latest')
    const range = { sourcePartition: sourcePartition(name, partition), start, end }
    const options = { maxBytes: Number.MAX_SAFE_INTEGER, signal: new AbortController().signal }
    for await (const { table } of reader.read(range, options))
      for (let row = 0; row < table.numRows; row += 1)
        rows.push({
          partition,
          offset: table.getChild('offset')!.get(row) as bigint,
          value: Buffer.from(table.getChild('value')!.get(row) as Uint8Array).toString(),
        })
  }
  return rows
}

async function tableRows(workspace: Place, path: string): Promise<TopicRow[]> {
  const table = workspace.table(path)
  const snapshot = await table.snapshot()
  if (snapshot === null || (await snapshot.files()).size === 0) return []
  const from = await selectTable({ snapshot, store: workspace.lake, tablePath: path, duckdb: workspace.duckdb })
  const duckdb = await workspace.duckdb()
  const query = `SELECT partition, "offset", decode(value) AS value FROM (${from})`
  return (await duckdb.withConnection((connection) => connection.rows(query))) as unknown as TopicRow[]
}
