/** A topic of the embedded log as a source: positions, and cutting ranges to a batch's limits. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Limits, Position, Range, RecordSource } from '../../engine/contracts.ts'
import type { MillraceError } from '../../engine/errors.ts'
import { rangeLost, storageFailed, topicNotFound } from './failures.ts'
import { frameLayout } from './frame.ts'
import { type Bounds, openPartition, type Partition } from './partition.ts'
import { recordBytes, recordsWithin } from './record-sizes.ts'
import { type FrameAt, readFully } from './segment.ts'
import { parseSourcePartition, readTopic, sourcePartition, type Topic } from './topic.ts'

export interface FileLogSourceOptions {
  /** The folder that holds all topics. */
  readonly dir: string
  readonly topic: string
  /** Where partitions begin that no sink has a position for. Default `earliest`; `latest` is settled at the first call. */
  readonly startFrom?: 'earliest' | 'latest'
  readonly clock: Clock
  /** With a name, `commitOffsets` writes `<dir>/_groups/<group>.json` for lag tools; nothing ever reads it back. */
  readonly group?: string
}

/**
 * A topic that does not exist yet has no partitions: nothing to read, not an error. `count` is exact, since offsets have
 * no gaps.
 */
export function fileLogSource(options: FileLogSourceOptions): RecordSource {
  const { dir, topic: name, startFrom = 'earliest' } = options
  let topic: Topic | null = null
  let partitions: readonly Partition[] = []
  const latestAtStart = new Map<string, bigint>()

  async function openTopic(): Promise<readonly Partition[]> {
    const found = await readTopic(dir, name)
    if (found === null) return []
    if (topic?.id !== found.id) {
      topic = found
      partitions = Array.from({ length: found.partitions }, (_, number) => openPartition(found, number))
    }
    return partitions
  }

  async function partitionOf(range: Range): Promise<Partition> {
    const place = parseSourcePartition(range.sourcePartition)
    const partition = place.topic === name ? (await openTopic())[place.partition] : undefined
    if (partition === undefined) throw topicNotFound(dir, range.sourcePartition)
    return partition
  }

  async function positions(of: (bounds: Bounds, sourcePartition: string) => bigint): Promise<Position> {
    const open = await openTopic()
    const entries = open.map(async (partition): Promise<[string, bigint]> => {
      const key = sourcePartition(name, partition.number)
      return [key, of(await partition.bounds(), key)]
    })
    return new Map(await Promise.all(entries))
  }

  return {
    shape: 'records',
    start: () =>
      positions(({ earliest, latest }, key) => {
        if (startFrom === 'earliest') return earliest
        if (!latestAtStart.has(key)) latestAtStart.set(key, latest)
        return latestAtStart.get(key)!
      }),
    latest: () => positions(({ latest }) => latest),
    async cut(range, limits) {
      if (range.start >= range.end) return range
      return { ...range, end: await cutEnd(await partitionOf(range), range, limits) }
    },
    async count(range) {
      if (range.start >= range.end) return 0
      const partition = await partitionOf(range)
      const { earliest, latest } = await partition.bounds()
      if (range.start < earliest) throw lostBefore(partition, range, earliest)
      const beyond = range.end > latest ? range.end - latest : 0n
      return Math.max(0, Number(range.end - beyond - range.start))
    },
    async commitOffsets(end) {
      if (options.group !== undefined) await writeGroup(dir, options.group, end, options.clock)
    },
    async close() {
      partitions = []
      topic = null
    },
  }
}

function lostBefore(partition: Partition, { start, end }: Range, earliest: bigint): MillraceError {
  const missingEnd = earliest < end ? earliest : end
  return rangeLost(partition.topic.name, partition.number, start, missingEnd, `the earliest kept is ${earliest}`)
}

/** Whole frames are counted by their headers; of the first and the last one the offsets tables are read. */
async function cutEnd(
  partition: Partition,
  range: Range,
  limits: Pick<Limits, 'maxRecords' | 'maxBytes'>,
): Promise<bigint> {
  let end = range.start
  let records = Math.max(1, limits.maxRecords)
  let bytes = limits.maxBytes
  for await (const { file, frames } of partition.runs(range.start, range.end)) {
    for (const frame of frames) {
      const { base, count, keyBytes, valueBytes } = frame.header
      const from = range.start > base ? Number(range.start - base) : 0
      const to = range.end < base + BigInt(count) ? Number(range.end - base) : count
      const most = Math.min(to, from + records)
      let fit = most
      let size = keyBytes + valueBytes
      if (most - from < count || size > bytes) {
        const { keys, values } = await readOffsets(file, frame)
        fit = recordsWithin(keys, values, { from, to: most }, bytes)
        if (fit === from && end === range.start) fit += 1
        size = recordBytes(keys, values, from, fit)
      }
      end = base + BigInt(fit)
      records -= fit - from
      bytes -= size
      if (fit < to || records === 0) return end
    }
  }
  return end
}

async function readOffsets(
  file: Parameters<typeof readFully>[0],
  { position, header }: FrameAt,
): Promise<{ readonly keys: Int32Array; readonly values: Int32Array }> {
  const layout = frameLayout(header)
  const entries = header.count + 1
  const table = async (at: number) => new Int32Array((await readFully(file, position + at, 4 * entries)).buffer)
  return { keys: await table(layout.keyOffsets), values: await table(layout.valueOffsets) }
}

async function writeGroup(dir: string, group: string, end: Position, clock: Clock): Promise<void> {
  const path = join(dir, '_groups', `${encodeURIComponent(group)}.json`)
  const offsets = Object.fromEntries([...end].map(([key, offset]) => [key, String(offset)]))
  try {
    await mkdir(join(dir, '_groups'), { recursive: true })
    await writeFile(`${path}.draft`, `${JSON.stringify({ committedAtMs: clock.nowMs(), offsets })}\n`)
    await rename(`${path}.draft`, path)
  } catch (error) {
    throw storageFailed(path, 'note committed offsets', error)
  }
}
