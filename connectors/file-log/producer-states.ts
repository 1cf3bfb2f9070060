/**
 * What a partition knows of each numbered producer: its newest batch. It follows from the frames; a file beside each
 * segment, `<base>.producers.json`, holds it as of the segment's beginning, so that opening scans one segment, and so
 * that it outlives the segments that retention deletes.
 */
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isSystemError } from '../../engine/errors.ts'
import type { FrameHeader } from './frame.ts'
import { syncFolder } from './topic.ts'

/** A producer's newest batch in one partition. */
export interface ProducerState {
  readonly sequence: bigint
  /** Offset of the batch's first record. */
  readonly base: bigint
  readonly count: number
}

/** What a partition holds of each numbered producer, by its id. */
export type ProducerStates = Map<string, ProducerState>

/** Takes a frame into account. */
export function noteFrame(states: ProducerStates, { producerId, sequence, base, count }: FrameHeader): void {
  if (producerId !== null) states.set(producerId, { sequence, base, count })
}

/** Path of the file that belongs to a segment. */
export function statesPath(segmentPath: string): string {
  return segmentPath.replace(/\.log$/, '.producers.json')
}

/** States as of the beginning of a segment; null if the file is missing or damaged: then the frames must be scanned. */
export async function readStates(path: string): Promise<ProducerStates | null> {
  try {
    const entries = JSON.parse(await readFile(path, 'utf8')) as [string, [string, string, number]][]
    return new Map(
      entries.map(([id, [sequence, base, count]]) => [id, { sequence: BigInt(sequence), base: BigInt(base), count }]),
    )
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

/** Writes them whole and durably. */
export async function writeStates(path: string, states: ProducerStates): Promise<void> {
  const entries = [...states].map(([id, { sequence, base, count }]) => [id, [String(sequence), String(base), count]])
  const draft = `${path}.draft`
  const file = await open(draft, 'w')
  try {
    await file.writeFile(JSON.stringify(entries))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  await syncFolder(dirname(path))
}
