/** Reads ranges of the embedded log as Arrow tables. */
import { emptyBatch, tableOf } from '../../engine/batch/arrow.ts'
import { recordSchema } from '../../engine/batch/record-columns.ts'
import type { Position, RecordChunk, RecordReader } from '../../engine/contracts.ts'
import { identityPartition } from '../../engine/identity.ts'
import { identityPosition, parseSourcePartition, topicReplaced } from '../records/source-partition.ts'
import { type FrameColumns, type FrameSlice, frameColumns, recordTable } from './arrow.ts'
import { logCorrupt, storageFailed, topicNotFound } from './failures.ts'
import { bodyIntact, decodeHeader } from './frame.ts'
import { type FrameRun, openPartition, type Partition } from './partition.ts'
import { type RecordOffsets, recordBytes, recordsWithin } from './record-sizes.ts'
import { type FrameAt, readFully } from './segment.ts'
import { readTopic } from './topic.ts'

export interface FileLogReaderOptions {
  /** The folder that holds all topics. */
  readonly dir: string
  /** What to do about records that are not kept any more. Default `fail`. */
  readonly onDataLoss?: 'fail' | 'continue'
  /** Which topics are meant (`<topic>/id`): another one of the same name is refused. Those not named are not checked. */
  readonly identity?: Position
}

/** Tables are joined up to about this many bytes of keys, values and headers; a larger frame stays whole. */
const chunkBytes = 4 * 1024 * 1024

/**
 * Reads while writers append, also in other processes. `read` throws `SOURCE_NOT_FOUND` for a topic that is not there,
 * `SOURCE_RANGE_LOST` for offsets that are not (any more), `LOG_CORRUPT` for damage, and the signal's reason if it
 * aborts between chunks.
 */
export function fileLogReader(options: FileLogReaderOptions): RecordReader {
  const partitions = new Map<string, Partition>()

  async function partitionFor(name: string): Promise<Partition> {
    const { topic: topicName, partition } = parseSourcePartition(name)
    const topic = await readTopic(options.dir, topicName)
    if (topic === null || partition >= topic.partitions) throw topicNotFound(options.dir, name)
    const meant = options.identity?.get(identityPartition(topicName))
    if (meant !== undefined && meant !== identityPosition(topic.id)) throw topicReplaced(topicName)
    const open = partitions.get(name)
    if (open !== undefined && open.topic.id === topic.id) return open
    const fresh = openPartition(topic, partition)
    partitions.set(name, fresh)
    return fresh
  }

  return {
    async *read(range, { maxBytes, signal }) {
      if (range.start >= range.end) return
      const partition = await partitionFor(range.sourcePartition)
      let at = range.start
      let left = maxBytes
      let begun = false
      let spare: Uint8Array | undefined // what the last chunk was read into and copied from: a new one each time is work for the garbage collector
      for (const { start, end } of options.onDataLoss === 'continue' ? await partition.kept(range) : [range]) {
        if (start > at) yield { table: nothing, end: start }
        at = end
        for await (const run of partition.runs(start, end)) {
          for (let next = 0; next < run.frames.length; ) {
            signal.throwIfAborted()
            const group = frameGroup(run.frames, next, Math.min(left, chunkBytes))
            const { frames, memory } = await readFrames(partition, run, group, spare)
            const slices = frames.map((frame) => within(frame, start, end))
            const { fitting, bytes, full } = upTo(slices, left, !begun)
            spare = fitting.length > 1 ? memory : undefined // a table of one slice shares its memory
            if (fitting.length > 0) yield chunk(partition, fitting)
            begun = true
            left -= bytes
            if (full || left <= 0) return
            next += group.length
          }
        }
      }
      if (at < range.end) yield { table: nothing, end: range.end }
    },
    async close() {
      partitions.clear()
    },
  }
}

const nothing = tableOf([emptyBatch(recordSchema.fields)])

function chunk(partition: Partition, slices: readonly FrameSlice[]): RecordChunk {
  const last = slices.at(-1)!
  return {
    table: recordTable(partition.topic.name, partition.number, slices),
    end: last.frame.header.base + BigInt(last.to),
  }
}

/** Frames from `first` on, at least one, that hold at most `bytes` of keys, values and headers together. */
function frameGroup(frames: readonly FrameAt[], first: number, bytes: number): FrameAt[] {
  const group: FrameAt[] = []
  let total = 0
  for (let i = first; i < frames.length; i += 1) {
    const { header } = frames[i]!
    total += header.keyBytes + header.valueBytes + header.headerKeyBytes + header.headerValueBytes
    if (group.length > 0 && total > bytes) break
    group.push(frames[i]!)
  }
  return group
}

/** One read for neighbouring frames, into `spare` if they fit; each is checked. */
async function readFrames(
  partition: Partition,
  run: FrameRun,
  group: readonly FrameAt[],
  spare: Uint8Array | undefined,
): Promise<{ readonly frames: FrameColumns[]; readonly memory: Uint8Array }> {
  const start = group[0]!.position
  const { position, header } = group.at(-1)!
  const bytes = await readFully(run.file, start, position + header.frameBytes - start, spare).catch((error) => {
    throw storageFailed(run.segment.path, 'read a segment', error)
  })
  const frames = group.map((frame) => {
    const at = frame.position - start
    const found = decodeHeader(bytes, at, partition.seed)
    const whole = found !== null && found.base === frame.header.base && at + found.frameBytes <= bytes.length
    if (whole && bodyIntact(bytes.subarray(at, at + found.frameBytes), found)) return frameColumns(bytes, at, found)
    const place = partition.place(run.segment, frame.position, frame.header.base)
    throw logCorrupt(place, 'the checksum does not match that of the frame')
  })
  return { frames, memory: new Uint8Array(bytes.buffer) }
}

function within(frame: FrameColumns, start: bigint, end: bigint): FrameSlice {
  const { base, count } = frame.header
  const from = start > base ? Number(start - base) : 0
  const to = end < base + BigInt(count) ? Number(end - base) : count
  return { frame, from, to }
}

/** The records of `slices` that fit into `bytes`, at least one if `first`; `full` if there were more. */
function upTo(
  slices: readonly FrameSlice[],
  bytes: number,
  first: boolean,
): { readonly fitting: FrameSlice[]; readonly bytes: number; readonly full: boolean } {
  const fitting: FrameSlice[] = []
  let used = 0
  for (const slice of slices) {
    const offsets = offsetsOf(slice.frame)
    const to = recordsWithin(offsets, slice, bytes - used)
    const end = to === slice.from && first && fitting.length === 0 ? to + 1 : to
    if (end > slice.from) fitting.push({ ...slice, to: end })
    used += recordBytes(offsets, slice.from, end)
    if (end < slice.to) return { fitting, bytes: used, full: true }
  }
  return { fitting, bytes: used, full: false }
}

function offsetsOf({ keys, values, headers }: FrameColumns): RecordOffsets {
  return {
    keys: keys.offsets,
    values: values.offsets,
    headers:
      headers === null
        ? null
        : { records: headers.offsets, keys: headers.keys.offsets, values: headers.values.offsets },
  }
}
