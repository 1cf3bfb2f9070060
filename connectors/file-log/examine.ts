/** Reads every frame of a partition, and says which records cannot be read. */
import { type FileHandle, open } from 'node:fs/promises'
import { type LogPlace, storageFailed } from './failures.ts'
import { decodeHeader, fixedHeaderBytes, maxProducerBytes } from './frame.ts'
import { keptParts, listLost } from './lost-offsets.ts'
import { noteFrame, type ProducerStates, readStates, statesPath } from './producer-states.ts'
import { type FrameAt, frameIntact, listSegments, readFully, type Segment } from './segment.ts'
import { findWholeFrame, isTorn, type TornTail } from './tail.ts'
import { partitionPath, partitionSeed, type Topic } from './topic.ts'

/** Bytes of a segment that are no frame, and the records that were there or behind it. */
export interface LogDamage extends LogPlace {
  readonly segment: Segment
  readonly bytes: number
  /** Offset after the last record that is lost. */
  readonly end: bigint
  /** Whether a whole frame says so; else there were no more than that. */
  readonly exact: boolean
  /** Where the segment's whole frames go on behind it; null if none do. */
  readonly goesOn: number | null
  /** What was known of producers before it. */
  readonly states: ProducerStates
}

/** What is wrong with a partition. */
export interface Examination {
  /** In the order of the log. */
  readonly damages: readonly LogDamage[]
  readonly torn: TornTail | null
}

/** Every record takes that much of a frame: a timestamp, and where its key and its value end. */
const leastRecordBytes = 16

/** Reads all of the partition once. Sees what was whole when it came by: a writer may be at work behind it. */
export async function examinePartition(topic: Topic, partition: number): Promise<Examination> {
  const folder = partitionPath(topic, partition)
  const segments = await listSegments(folder)
  const lost = await listLost(folder)
  const damages: LogDamage[] = []
  let torn: TornTail | null = null
  let states: ProducerStates = new Map()
  for (const [i, segment] of segments.entries()) {
    const following = segments[i + 1]?.base ?? null
    states = (await readStates(statesPath(segment.path))) ?? states
    const file = await open(segment.path, 'r')
    try {
      const walk = walkOf(topic, partition, { segment, file, following, states })
      for await (const found of walk) {
        if ('cut' in found) torn = found
        else if (found.bytes > 0 || keptParts({ start: found.offset, end: found.end }, lost).length > 0)
          damages.push(found)
      }
    } catch (error) {
      throw storageFailed(segment.path, 'read a segment', error)
    } finally {
      await file.close()
    }
  }
  return { damages, torn }
}

interface Walked {
  readonly segment: Segment
  readonly file: FileHandle
  /** Where the next segment begins; null for the last one. */
  readonly following: bigint | null
  /** Of producers, as of the beginning; frames are added. */
  readonly states: ProducerStates
}

async function* walkOf(topic: Topic, partition: number, walked: Walked): AsyncGenerator<LogDamage | TornTail> {
  const { segment, file, following, states } = walked
  const seed = partitionSeed(topic, partition)
  const fileBytes = (await file.stat()).size
  let [position, next] = [0, segment.base]
  const place = (): LogPlace => ({
    topic: topic.name,
    partition,
    file: segment.path,
    bytePosition: position,
    offset: next,
  })
  const damage = (bytes: number, end: bigint, more: { exact?: boolean; goesOn?: number } = {}): LogDamage => {
    const { exact = true, goesOn = null } = more
    return { ...place(), segment, bytes, end, exact, goesOn, states: new Map(states) }
  }
  while (position < fileBytes) {
    const header = decodeHeader(await readFully(file, position, headerWindowBytes), 0, seed)
    const frame: FrameAt | null = header?.base === next ? { position, header } : null
    if (frame !== null && (await frameIntact(file, frame))) {
      noteFrame(states, frame.header)
      position += frame.header.frameBytes
      next += BigInt(frame.header.count)
      continue
    }
    const found = await findWholeFrame(file, seed, { position, next })
    if (found !== null && (following === null || found.header.base < following)) {
      yield damage(found.position - position, found.header.base, { goesOn: found.position })
      position = found.position
      next = found.header.base
      continue
    }
    const rest = await readFully(file, position, fileBytes - position)
    if (following !== null) yield damage(rest.length, following)
    else if (isTorn(rest, seed)) yield { ...place(), bytes: rest.length, cut: false }
    else yield damage(rest.length, ...mostLost(next, rest.length, frame))
    return
  }
  if (following !== null && next < following) yield damage(0, following)
}

/** A header, with the longest id that a producer may have. */
const headerWindowBytes = fixedHeaderBytes + maxProducerBytes

/** Where a frame that is damaged ends, if its header is not and nothing follows it; else what there may have been at most. */
function mostLost(next: bigint, bytes: number, frame: FrameAt | null): [end: bigint, more: { exact: boolean }] {
  const whole = frame !== null && frame.header.frameBytes <= bytes ? frame.header : null
  const unknown = bytes - (whole?.frameBytes ?? 0)
  const end = next + BigInt(whole?.count ?? 0) + BigInt(Math.ceil(unknown / leastRecordBytes))
  return [end, { exact: unknown === 0 }]
}
