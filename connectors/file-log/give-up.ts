/**
 * Gives up the damaged parts of a partition: their offsets are lost, and everything else can be read and written again. A damaged
 * segment is cut in two around them. The bytes stay, beside the segments, as `<offset>.damaged`.
 */
import { type FileHandle, link, open, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ids } from '../../engine/contracts.ts'
import { isSystemError } from '../../engine/errors.ts'
import { type Examination, examinePartition, type LogDamage } from './examine.ts'
import { storageFailed } from './failures.ts'
import { acquireLock } from './lock.ts'
import { noteLost } from './lost-offsets.ts'
import { statesPath, writeStates } from './producer-states.ts'
import { listSegments, readFully, segmentPath } from './segment.ts'
import { partitionPath, syncFolder, type Topic } from './topic.ts'

/**
 * Gives up what an examination finds, and gives that back. Nobody may write to the partition meanwhile: `STORE_BUSY`. Killed at any
 * moment it can be run again.
 */
export async function giveUpDamage(topic: Topic, partition: number, ids: Ids): Promise<Examination> {
  const folder = partitionPath(topic, partition)
  await listSegments(folder) // refuses a folder that is not there
  const lock = await acquireLock(folder, 'writer', ids)
  try {
    const found = await examinePartition(topic, partition)
    // From the end on, so that places before it stay where they are.
    for (const damage of found.damages.toReversed()) await cutOut(folder, damage)
    return found
  } finally {
    await lock.release()
  }
}

/** The new segment comes before the old one is cut: until then both hold what follows, and nothing is in neither. */
async function cutOut(folder: string, damage: LogDamage): Promise<void> {
  const { segment, bytePosition, bytes, offset, end, goesOn } = damage
  const isLast = (await listSegments(folder)).at(-1)?.base === segment.base
  try {
    const file = await open(segment.path, 'r+')
    try {
      if (bytes > 0)
        await copyInto(join(folder, `${nameOf(folder, offset)}.damaged`), file, { from: bytePosition, bytes })
      if (end > offset) await noteLost(folder, { start: offset, end })
      if (goesOn !== null || isLast) {
        const following = segmentPath(folder, end)
        const from = goesOn ?? bytePosition + bytes
        if (following !== segment.path) await writeStates(statesPath(following), damage.states)
        await copyInto(`${following}.draft`, file, { from, bytes: (await file.stat()).size - from })
        if (following === segment.path) return await rename(`${following}.draft`, following)
        await putInPlace(`${following}.draft`, following)
      }
      await syncFolder(folder)
      await file.truncate(bytePosition)
      await file.sync()
    } finally {
      await file.close()
    }
    await syncFolder(folder)
  } catch (error) {
    throw storageFailed(segment.path, 'give up what is damaged', error)
  }
}

function nameOf(folder: string, offset: bigint): string {
  return segmentPath(folder, offset).slice(folder.length + 1, -'.log'.length)
}

/** One that is there was made before a kill, and may have grown since. */
async function putInPlace(draft: string, path: string): Promise<void> {
  await link(draft, path).catch((error) => {
    if (!isSystemError(error, 'EEXIST')) throw error
  })
  await unlink(draft)
}

/** Segments may be larger than memory has room for. */
const copyBytes = 16 * 1024 * 1024

async function copyInto(
  path: string,
  source: FileHandle,
  { from, bytes }: { readonly from: number; readonly bytes: number },
): Promise<void> {
  const copy = await open(path, 'w')
  try {
    for (let done = 0; done < bytes; done += copyBytes)
      await copy.writeFile(await readFully(source, from + done, Math.min(copyBytes, bytes - done)))
    await copy.sync()
  } finally {
    await copy.close()
  }
}
