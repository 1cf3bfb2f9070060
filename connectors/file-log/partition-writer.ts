/**
 * Appends to one partition. A frame is written and on disk before `append` returns; a crash in between leaves at most
 * one torn frame at the end, which the next writer cuts off and tells of. Damage is never cut, before the end or in a last
 * frame that was whole once: it is `LOG_CORRUPT`.
 */
import { type FileHandle, open } from 'node:fs/promises'
import type { Ids } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { lastFrameDamaged, logCorrupt, storageFailed } from './failures.ts'
import { decodeHeader, sealFrame } from './frame.ts'
import type { ProducerStamp } from './frame-encoder.ts'
import { acquireLock } from './lock.ts'
import {
  noteFrame,
  type ProducerState,
  type ProducerStates,
  readStates,
  statesPath,
  writeStates,
} from './producer-states.ts'
import { listSegments, type Segment, scanSegment, segmentPath } from './segment.ts'
import { judgeTail, type TornTail } from './tail.ts'
import { partitionPath, partitionSeed, syncFolder, type Topic } from './topic.ts'

export interface PartitionWriterOptions {
  readonly topic: Topic
  readonly partition: number
  /** A segment that would grow beyond this is finished and a new one begun. */
  readonly segmentBytes: number
  readonly ids: Ids
  /** Told of what a crash left at the end, which is cut off: records that no `append` has acknowledged. */
  readonly onTornTail?: (tail: TornTail) => void
}

/** Where a batch is in a partition. */
export interface Appended {
  /** Offset of its first record. */
  readonly base: bigint
  readonly count: number
  /** True if this very batch was there already, so that nothing was written. */
  readonly duplicate: boolean
}

/** The one writer of a partition. */
export interface PartitionWriter {
  /**
   * Where a numbered producer's batch is if it is the newest one of that producer here; null if it is still to be
   * written. `SINK_FAILED` for an older one, and for one with another number of records under the same sequence.
   */
  find(batch: ProducerStamp, count: number): Appended | null
  /** Appends a frame as `encodeFrame` made it, its header completed in place. Calls must not overlap. */
  append(frame: Uint8Array): Promise<Appended>
  /** The highest sequence that is here of a producer; -1 if none. */
  lastSequence(producerId: string): bigint
  close(): Promise<void>
}

interface OpenSegment {
  readonly segment: Segment
  readonly file: FileHandle
  readonly end: number
  readonly next: bigint
}

/** Takes the partition's lock and brings its end in order. `STORE_BUSY`, `LOG_CORRUPT`, `STORAGE_FAILED`. */
export async function openPartitionWriter(options: PartitionWriterOptions): Promise<PartitionWriter> {
  const path = partitionPath(options.topic, options.partition)
  await listSegments(path) // refuses a folder that is not there
  const lock = await acquireLock(path, 'writer', options.ids)
  try {
    const states = await recoverStates(options)
    const current = await recoverEnd(options, states)
    return writer(options, states, current, lock.release)
  } catch (error) {
    await lock.release()
    throw storageFailed(path, 'open a partition', error)
  }
}

function writer(
  options: PartitionWriterOptions,
  states: ProducerStates,
  recovered: OpenSegment,
  release: () => Promise<void>,
): PartitionWriter {
  const seed = partitionSeed(options.topic, options.partition)
  let current = recovered
  let broken: unknown = null
  return {
    find: (batch, count) => find(states.get(batch.id), { ...batch, count }, options),
    async append(frame) {
      if (broken !== null) throw broken
      sealFrame(frame, current.next, seed)
      const header = decodeHeader(frame, 0, seed)!
      try {
        if (current.end > 0 && current.end + frame.length > options.segmentBytes) {
          current = await beginSegment(options, states, current)
        }
        await writeDurably(current, frame)
      } catch (error) {
        // What is on disk is not known any more; only opening anew, which looks, can tell.
        broken = storageFailed(current.segment.path, 'append', error)
        throw broken
      }
      noteFrame(states, header)
      current = { ...current, end: current.end + frame.length, next: current.next + BigInt(header.count) }
      return { base: header.base, count: header.count, duplicate: false }
    },
    lastSequence: (producerId) => states.get(producerId)?.sequence ?? -1n,
    async close() {
      await current.file.close()
      await release()
    },
  }
}

function find(
  newest: ProducerState | undefined,
  batch: ProducerStamp & { readonly count: number },
  { topic, partition }: PartitionWriterOptions,
): Appended | null {
  if (newest === undefined || batch.sequence > newest.sequence) return null
  if (batch.sequence === newest.sequence && batch.count === newest.count)
    return { base: newest.base, count: newest.count, duplicate: true }
  throw new MillraceError(
    'SINK_FAILED',
    `producer ${batch.id} sent batch ${batch.sequence} of ${batch.count} records to topic ${topic.name} partition ${partition}, where its newest is ${newest.sequence} of ${newest.count} (only the newest may be sent again, and unchanged)`,
    { context: { producerId: batch.id, sequence: String(batch.sequence), newest: String(newest.sequence) } },
  )
}

async function writeDurably({ file, end }: OpenSegment, frame: Uint8Array): Promise<void> {
  let written = 0
  while (written < frame.length) {
    written += (await file.write(frame, written, frame.length - written, end + written)).bytesWritten
  }
  await file.datasync()
}

/** Its states are on disk before its first frame can be, so that they cannot be missed. */
async function beginSegment(
  options: PartitionWriterOptions,
  states: ProducerStates,
  finished: { readonly next: bigint; readonly file: FileHandle | null },
): Promise<OpenSegment> {
  const folder = partitionPath(options.topic, options.partition)
  const path = segmentPath(folder, finished.next)
  await writeStates(statesPath(path), states)
  const file = await open(path, 'wx+')
  await syncFolder(folder)
  await finished.file?.close()
  return { segment: { base: finished.next, path }, file, end: 0, next: finished.next }
}

/** States as of the beginning of the last segment. */
async function recoverStates({ topic, partition }: PartitionWriterOptions): Promise<ProducerStates> {
  const segments = await listSegments(partitionPath(topic, partition))
  const last = segments.at(-1)
  if (last === undefined) return new Map()
  const saved = await readStates(statesPath(last.path))
  if (saved !== null) return saved
  const states: ProducerStates = new Map()
  for (const segment of segments.slice(0, -1)) {
    const file = await open(segment.path, 'r')
    try {
      const scan = await scanSegment(file, partitionSeed(topic, partition), { end: 0, next: segment.base })
      for (const { header } of scan.frames) noteFrame(states, header)
    } finally {
      await file.close()
    }
  }
  return states
}

/** Finds the end of the last segment, takes its frames into the states, cuts off what a crash left torn. */
async function recoverEnd(options: PartitionWriterOptions, states: ProducerStates): Promise<OpenSegment> {
  const { topic, partition } = options
  const seed = partitionSeed(topic, partition)
  const segment = (await listSegments(partitionPath(topic, partition))).at(-1)
  if (segment === undefined) return beginSegment(options, states, { next: topic.firstOffset, file: null })
  const file = await open(segment.path, 'r+')
  try {
    const { frames, end, next, fileBytes } = await scanSegment(file, seed, { end: 0, next: segment.base })
    if (end < fileBytes) {
      const place = { topic: topic.name, partition, file: segment.path, bytePosition: end, offset: next }
      const tail = await judgeTail(file, seed, { position: end, next })
      if (tail === 'followed') throw logCorrupt(place, 'whole frames follow one that cannot be read')
      if (tail === 'damaged') throw lastFrameDamaged(place)
      await file.truncate(end)
      options.onTornTail?.({ ...place, bytes: fileBytes - end, cut: true })
    }
    // The last frame may be whole without its writer having got to sync it.
    await file.datasync()
    for (const { header } of frames) noteFrame(states, header)
    return { segment, file, end, next }
  } catch (error) {
    await file.close()
    throw error
  }
}
