/** How far the readers of topics have come: one small file for each, `<log>/_groups/<group>.json`, written after its sinks have committed. */
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Position } from '../../engine/contracts.ts'
import { isSystemError } from '../../engine/errors.ts'
import { makeFolder } from '../../engine/make-folder.ts'
import { storageFailed } from './failures.ts'

/** Notes the next offset that a group reads of some source partitions; others keep theirs. Of two notes at a time one is left, whole. */
export async function noteOffsets(dir: string, group: string, offsets: Position, clock: Clock): Promise<void> {
  const path = join(dir, '_groups', `${encodeURIComponent(group)}.json`)
  const draft = `${path}.${process.pid}.draft`
  const noted = new Map([...((await readNote(path)) ?? []), ...offsets])
  const texts = Object.fromEntries([...noted].map(([key, offset]) => [key, String(offset)]))
  try {
    await makeFolder(join(dir, '_groups'))
    await writeFile(draft, `${JSON.stringify({ committedAtMs: clock.nowMs(), offsets: texts })}\n`)
    await rename(draft, path)
  } catch (error) {
    throw storageFailed(path, 'note committed offsets', error)
  }
}

/** The next offset that the slowest group reads, by source partition; of a damaged note, 0 for every partition. */
export async function slowestOffsets(dir: string): Promise<(sourcePartition: string) => bigint | null> {
  const notes = await Promise.all((await noteNames(dir)).map((name) => readNote(join(dir, '_groups', name))))
  return (sourcePartition) => {
    const offsets = notes.flatMap((note) => (note === null ? [0n] : (note.get(sourcePartition) ?? [])))
    return offsets.reduce<bigint | null>((least, offset) => (least === null || offset < least ? offset : least), null)
  }
}

async function noteNames(dir: string): Promise<string[]> {
  try {
    return (await readdir(join(dir, '_groups'))).filter((name) => name.endsWith('.json'))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw storageFailed(join(dir, '_groups'), 'list groups', error)
  }
}

async function readNote(path: string): Promise<Position | null> {
  try {
    const { offsets } = JSON.parse(await readFile(path, 'utf8')) as { offsets: Record<string, string> }
    return new Map(Object.entries(offsets).map(([name, offset]) => [name, BigInt(offset)]))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return new Map() // forgotten since
    return null
  }
}
