/** A topic of the embedded log as a source: positions, and cutting ranges to a batch's limits. */
import type { Clock, Limits, Position, Range, RecordSource } from '../../engine/contracts.ts'
import type { MillraceError } from '../../engine/errors.ts'
import { identityPartition } from '../../engine/identity.ts'
import { absentTopics, isPassedOver } from '../records/absent-topics.ts'
import { isAddition, type StartFrom, type TopicChoice, topicMatcher } from '../records/description.ts'
import { identityPosition, parseSourcePartition, sourcePartition, topicsIn } from '../records/source-partition.ts'
import { checkStartOffsets, startOffsets } from '../records/start-from.ts'
import { rangeLost, topicNotFound } from './failures.ts'
import { frameLayout } from './frame.ts'
import { noteOffsets } from './groups.ts'
import { type Bounds, openPartition, type Partition } from './partition.ts'
import { type RecordOffsets, recordBytes, recordsWithin } from './record-sizes.ts'
import { type LogRetention, openTrimming } from './retention.ts'
import { type FrameAt, readFully } from './segment.ts'
import type { TornTail } from './tail.ts'
import { listTopics, readTopic, type Topic } from './topic.ts'

export interface FileLogSourceOptions {
  /** The folder that holds all topics. */
  readonly dir: string
  readonly choice: TopicChoice
  /** Where partitions begin that no sink has a position for. Default `earliest`; settled when a topic is first seen. */
  readonly startFrom?: StartFrom
  /** What to do about records that are not kept any more. Default `fail`. */
  readonly onDataLoss?: 'fail' | 'continue'
  readonly clock: Clock
  /** With a name, `commitOffsets` writes `<dir>/_groups/<group>.json`: what it has not read yet is kept for it. */
  readonly group?: string
  /** Delete what all groups have read and is past this, now and then beside batches. Default: keep everything. */
  readonly retention?: LogRetention
  /** Told, once for each, of what a dead writer left at the end of a partition. */
  readonly onTornTail?: (tail: TornTail) => void
}

/**
 * A topic that does not exist yet has no partitions, and is told of by `absent`. `count` is exact: offsets have no gaps but those
 * that were given up as damaged. Ranges end before such a gap or begin with it.
 */
export function fileLogSource(options: FileLogSourceOptions): RecordSource {
  const { dir, choice, startFrom = 'earliest', onDataLoss = 'fail' } = options
  const open = new Map<string, readonly Partition[]>()
  const beginnings = new Map<string, bigint>()
  const firstTopics = new Set<string>()
  let looked = false
  const trimming = openTrimming(options)
  /** Topics that were read before this run. */
  let readBefore: ReadonlySet<string> = new Set()

  async function openTopics(): Promise<readonly Partition[]> {
    const found = await chosenTopics(dir, choice)
    if (!looked) for (const { name } of found) firstTopics.add(name)
    looked = true
    for (const topic of found)
      if (open.get(topic.name)?.[0]?.topic.id !== topic.id)
        open.set(
          topic.name,
          Array.from({ length: topic.partitions }, (_, number) => openPartition(topic, number, options.onTornTail)),
        )
    return found.flatMap(({ name }) => open.get(name)!)
  }

  async function partitionOf(range: Range): Promise<Partition> {
    const place = parseSourcePartition(range.sourcePartition)
    const found = (await openTopics()).find(
      ({ topic, number }) => topic.name === place.topic && number === place.partition,
    )
    if (found === undefined) throw topicNotFound(dir, range.sourcePartition)
    return found
  }

  async function positions(of: (partition: Partition) => Promise<bigint>): Promise<Position> {
    const entries = (await openTopics()).map(async (partition): Promise<[string, bigint]> => {
      return [sourcePartition(partition.topic.name, partition.number), await of(partition)]
    })
    return new Map(await Promise.all(entries))
  }

  /** Topics that are made later are read from their first record. */
  async function beginningOf(partition: Partition): Promise<bigint> {
    const name = sourcePartition(partition.topic.name, partition.number)
    const known = beginnings.get(name)
    if (known !== undefined) return known
    const topic = partition.topic.name
    const added = !firstTopics.has(topic) || isAddition(choice, topic, readBefore)
    const begins = await startOf(partition, added ? 'earliest' : startFrom)
    if (startFrom !== 'earliest') beginnings.set(name, begins)
    return begins
  }

  const latest = () => positions(async (partition) => (await partition.bounds()).latest)

  async function missingPart(range: Range): Promise<Range | null> {
    const [first] = await (await partitionOf(range)).kept(range)
    if (first?.start === range.start) return null
    return { ...range, end: first?.start ?? range.end }
  }

  return {
    shape: 'records',
    startMoves: startFrom !== 'earliest',
    async start(held = new Map()) {
      if (!looked) {
        readBefore = topicsIn(held)
        checkStartOffsets(startFrom, await latest(), readBefore)
      }
      return positions(beginningOf)
    },
    latest,
    async absent() {
      const present = new Set((await openTopics()).map(({ topic }) => topic.name))
      const read = new Set([...readBefore, ...open.keys()])
      return absentTopics({ choice, onDataLoss, present, read, advice: topicAdvice })
    },
    passesOver: (partition) => isPassedOver({ choice, onDataLoss }, partition),
    async identity() {
      const topics = new Set((await openTopics()).map(({ topic }) => topic))
      return new Map([...topics].map(({ name, id }) => [identityPartition(name), identityPosition(id)]))
    },
    missing: async (range) => (onDataLoss === 'continue' ? missingPart(range) : null),
    async cut(range, limits) {
      if (range.start >= range.end) return range
      const partition = await partitionOf(range)
      const [first] = await partition.kept(range)
      if (onDataLoss === 'continue' && first === undefined) return range
      const readable = onDataLoss === 'continue' || first?.start === range.start ? first! : range
      return { ...range, end: await cutEnd(partition, { ...range, ...readable }, limits) }
    },
    async count(range) {
      if (range.start >= range.end) return 0
      const partition = await partitionOf(range)
      const { earliest, latest } = await partition.bounds()
      if (range.start < earliest && onDataLoss === 'fail') throw lostBefore(partition, range, earliest)
      const end = range.end > latest ? latest : range.end
      const parts = range.start < end ? await partition.kept({ start: range.start, end }) : []
      return parts.reduce((sum, part) => sum + Number(part.end - part.start), 0)
    },
    async commitOffsets(end) {
      if (options.group !== undefined) await noteOffsets(dir, options.group, end, options.clock)
      await trimming.committed(await openTopics())
    },
    async close() {
      open.clear()
    },
  }
}

const topicAdvice = "send records to it first, as 'millrace simulate' does, or check its name"

async function chosenTopics(dir: string, choice: TopicChoice): Promise<Topic[]> {
  const matches = 'pattern' in choice ? topicMatcher(choice.pattern) : null
  const names = 'topic' in choice ? [choice.topic] : 'topics' in choice ? choice.topics : await listTopics(dir)
  const chosen = names.filter((name) => matches?.(name) ?? true)
  const found = await Promise.all(chosen.map((name) => readTopic(dir, name)))
  return found.filter((topic) => topic !== null)
}

/** Where reading begins in a partition, as its log is now. */
async function startOf(partition: Partition, startFrom: StartFrom): Promise<bigint> {
  const { earliest, latest } = await partition.bounds()
  if (startFrom === 'earliest') return earliest
  if (startFrom === 'latest') return latest
  if ('offsets' in startFrom)
    return startOffsets(startFrom).get(sourcePartition(partition.topic.name, partition.number)) ?? earliest
  return firstSince(partition, { earliest, latest, timestampUs: BigInt(Date.parse(startFrom.timestamp)) * 1000n })
}

/** Offset of the first record as new as a time, or the end. */
async function firstSince(
  partition: Partition,
  { earliest, latest, timestampUs }: Bounds & { readonly timestampUs: bigint },
): Promise<bigint> {
  for (const { start, end } of await partition.kept({ start: earliest, end: latest }))
    for await (const { file, frames } of partition.runs(start, end))
      for (const frame of frames) {
        const { base, count, maxTimestampUs } = frame.header
        if (maxTimestampUs < timestampUs) continue
        const at = frame.position + frameLayout(frame.header).timestamps
        const timestamps = new BigInt64Array((await readFully(file, at, 8 * count)).buffer)
        const found = timestamps.findIndex((timestamp, i) => timestamp >= timestampUs && base + BigInt(i) >= earliest)
        if (found >= 0) return base + BigInt(found)
      }
  return latest
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
      const { base, count } = frame.header
      const from = range.start > base ? Number(range.start - base) : 0
      const to = range.end < base + BigInt(count) ? Number(range.end - base) : count
      const most = Math.min(to, from + records)
      let fit = most
      let size = payloadBytes(frame.header)
      if (most - from < count || size > bytes) {
        const offsets = await readOffsets(file, frame)
        fit = recordsWithin(offsets, { from, to: most }, bytes)
        if (fit === from && end === range.start) fit += 1
        size = recordBytes(offsets, from, fit)
      }
      end = base + BigInt(fit)
      records -= fit - from
      bytes -= size
      if (fit < to || records === 0) return end
    }
  }
  return end
}

function payloadBytes({ keyBytes, valueBytes, headerKeyBytes, headerValueBytes }: FrameAt['header']): number {
  return keyBytes + valueBytes + headerKeyBytes + headerValueBytes
}

async function readOffsets(
  file: Parameters<typeof readFully>[0],
  { position, header }: FrameAt,
): Promise<RecordOffsets> {
  const layout = frameLayout(header)
  const { count, headerCount } = header
  const table = async (at: number, entries: number) =>
    new Int32Array((await readFully(file, position + at, 4 * (entries + 1))).buffer)
  const headers = async () => ({
    records: await table(layout.headerOffsets, count),
    keys: await table(layout.headerKeyOffsets, headerCount),
    values: await table(layout.headerValueOffsets, headerCount),
  })
  return {
    keys: await table(layout.keyOffsets, count),
    values: await table(layout.valueOffsets, count),
    headers: headerCount === 0 ? null : await headers(),
  }
}
