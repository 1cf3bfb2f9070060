/** Keeps a folder of cached files within its limit: those that were not used for longest go first. */
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../engine/contracts.ts'
import { isSystemError } from '../../../engine/errors.ts'
import { isAbandoned } from '../../../engine/process-name.ts'
import { processOfUnfinished } from './entry.ts'

/** A promise of room, to be given back once the file is in its place or given up. */
export type Reservation = () => void

/** The room that a folder has left. */
export interface Room {
  /** Removes files until `sizeBytes` more fit; null if they never would. */
  reserve(sizeBytes: number): Promise<Reservation | null>
}

/** What is taken on this process's own count before the folder is looked at again, since others fill it too. */
const unseenFiles = 50
const unseenShare = 0.05

/** The files of `dir` and how long each was not used, by their times of modification. */
export function roomIn(dir: string, limitBytes: number, clock: Clock): Room {
  let usedBytes = Number.POSITIVE_INFINITY // nobody has looked yet
  let reservedBytes = 0
  let [unseen, unseenBytes] = [0, 0]
  let last: Promise<unknown> = Promise.resolve()

  async function makeRoom(sizeBytes: number): Promise<Reservation | null> {
    if (sizeBytes > limitBytes) return null
    unseen += 1
    unseenBytes += sizeBytes
    const stale = unseen > unseenFiles || unseenBytes > limitBytes * unseenShare
    if (stale || usedBytes + reservedBytes + sizeBytes > limitBytes) {
      usedBytes = await trim(dir, limitBytes - reservedBytes - sizeBytes, clock.nowMs())
      ;[unseen, unseenBytes] = [0, 0]
    }
    reservedBytes += sizeBytes
    return () => {
      reservedBytes -= sizeBytes
      usedBytes += sizeBytes
    }
  }
  return {
    reserve(sizeBytes) {
      const mine = last.then(() => makeRoom(sizeBytes))
      last = mine.catch(() => {}) // told to whom it concerns
      return mine
    },
  }
}

interface Entry {
  readonly path: string
  readonly sizeBytes: number
  readonly usedMs: number
}

/** Removes the oldest files, and unfinished ones of dead processes, until at most `bytes` are left; how many are. */
async function trim(dir: string, bytes: number, nowMs: number): Promise<number> {
  const entries = await entriesOf(dir, nowMs)
  let usedBytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  for (const { path, sizeBytes } of entries.sort((a, b) => a.usedMs - b.usedMs)) {
    if (usedBytes <= bytes) break
    await rm(path, { force: true })
    usedBytes -= sizeBytes
  }
  return usedBytes
}

async function entriesOf(dir: string, nowMs: number): Promise<Entry[]> {
  const entries: Entry[] = []
  for (const name of await readdir(dir)) {
    const path = join(dir, name)
    if (!name.startsWith('.')) {
      const entry = await entryAt(path)
      if (entry !== null) entries.push(entry)
    } else {
      const owner = processOfUnfinished(name) ?? (name.endsWith('.lock') ? await holderOf(path) : '')
      if (isAbandoned(path, owner, nowMs)) await rm(path, { force: true })
    }
  }
  return entries
}

/** The process that a lock is of; empty while it is being written, or if it was given back just now. */
async function holderOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

/** Null for a file that another process has just removed. */
async function entryAt(path: string): Promise<Entry | null> {
  try {
    const { size, mtimeMs } = await stat(path)
    return { path, sizeBytes: size, usedMs: mtimeMs }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}
