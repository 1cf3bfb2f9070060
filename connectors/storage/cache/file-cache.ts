/**
 * Copies of a store's objects on the local disk. A copy gets its name in one step when it is whole and flushed; one of
 * another size than its name says is not taken. The folder may be deleted at any time that nothing is read from it.
 */
import { link, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Ids } from '../../../engine/contracts.ts'
import { isSystemError } from '../../../engine/errors.ts'
import { makeFolder } from '../../../engine/make-folder.ts'
import { flush } from '../flush.ts'
import { storageError } from '../storage-error.ts'
import { type CachedObject, entryName, lockName, unfinishedName } from './entry.ts'
import { bringOnce } from './entry-lock.ts'
import { heldFiles } from './held-files.ts'
import { type Reservation, roomIn } from './room.ts'

/** An open cache. */
export interface FileCache {
  /**
   * Path of a whole copy, the same each time. `download` writes it to the path that it is given; it is called once for
   * all that ask at the same time, in other processes too. The file stays while a hold lasts that began before, and ten
   * minutes in any case, whatever is evicted meanwhile.
   */
  file(object: CachedObject, download: (path: string) => Promise<void>): Promise<string>
  /** Takes a local file over as a copy, if that is no trouble. It may be left where it is. */
  adopt(object: CachedObject, path: string): Promise<void>
  /** What is handed out from now on stays until the returned function is called. */
  hold(): () => void
  /** Gives up all files that were handed out. */
  close(): void
}

/** Where a cache is, and how much it may hold. */
export interface FileCacheOptions {
  /** Made when the first file comes. All in it is the cache's. */
  readonly dir: string
  /** Of the copies that may be evicted; what is handed out may take more. */
  readonly limitBytes: number
  readonly clock: Clock
  readonly ids: Ids
}

/** Opens a cache; several processes may share its folder. */
export function openFileCache({ dir, limitBytes, clock, ids }: FileCacheOptions): FileCache {
  const filesDir = join(dir, 'files')
  const held = heldFiles(join(dir, 'held'), ids.uuid(), clock)
  const room = roomIn(filesDir, limitBytes, clock)
  const coming = new Map<string, Promise<void>>()
  const cached = (name: string) => join(filesDir, name)
  const handed = (name: string) => join(held.dir, name)

  async function provide(object: CachedObject, name: string, download: (path: string) => Promise<void>): Promise<void> {
    if (await isWhole(handed(name), object)) return used(cached(name), clock)
    await makeFolders()
    if (await handOut(object, name)) return
    await bringOnce({
      lock: join(filesDir, lockName(name)),
      clock,
      isThere: () => handOut(object, name),
      bring: () => bring(object, name, download),
    })
  }

  async function makeFolders(): Promise<void> {
    for (const folder of [filesDir, held.dir]) await makeFolder(folder)
  }

  /** Links the copy that there is; false if there is none, or a damaged one, which goes. */
  async function handOut(object: CachedObject, name: string): Promise<boolean> {
    if (!(await isWhole(cached(name), object))) return false
    try {
      await link(cached(name), handed(name))
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false // evicted just now
      if (!isSystemError(error, 'EEXIST')) throw error
    }
    await used(cached(name), clock)
    return true
  }

  async function bring(object: CachedObject, name: string, download: (path: string) => Promise<void>): Promise<void> {
    const unfinished = join(filesDir, unfinishedName(name, ids.uuid()))
    const reservation = await room.reserve(object.sizeBytes)
    try {
      await download(unfinished)
      if (!(await isWhole(unfinished, object)))
        throw new Error(`a copy has not the ${object.sizeBytes} bytes of its object`)
      await used(unfinished, clock)
      await rename(unfinished, handed(name))
      if (reservation !== null) await publish(handed(name), name)
    } finally {
      reservation?.()
      await rm(unfinished, { force: true })
    }
  }

  /** Two that brought the same file at once agree on its bytes. */
  async function publish(path: string, name: string): Promise<void> {
    try {
      await link(path, cached(name))
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error
    }
  }

  return {
    async file(object, download) {
      const name = entryName(object)
      held.want(name) // before the first look, so that it is not let go after that
      const mine = coming.get(name) ?? provide(object, name, download).finally(() => coming.delete(name))
      coming.set(name, mine)
      try {
        await mine
      } catch (error) {
        throw isSystemError(error) ? storageError('write', dir, error) : error
      }
      return handed(name)
    },
    async adopt(object, path) {
      const name = entryName(object)
      let reservation: Reservation | null = null
      try {
        await makeFolders()
        reservation = await room.reserve(object.sizeBytes)
        if (reservation === null) return
        await flush(path)
        await link(path, cached(name))
      } catch {
        // Another filesystem, a full disk: it will be downloaded when it is wanted.
      } finally {
        reservation?.()
      }
    },
    hold: held.hold,
    close: held.close,
  }
}

/** Whether there is a file of the object's size; one of another size is removed. */
async function isWhole(path: string, { sizeBytes }: CachedObject): Promise<boolean> {
  try {
    const { size } = await stat(path)
    if (size === sizeBytes) return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
  await rm(path, { force: true })
  return false
}

/** Notes that a copy was used. */
async function used(path: string, clock: Clock): Promise<void> {
  const seconds = clock.nowMs() / 1000
  await utimes(path, seconds, seconds).catch(() => {}) // evicted, while it is still handed out
}
