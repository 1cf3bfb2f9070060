/** A folder as an object store. */
import { randomUUID } from 'node:crypto'
import { constants, fstatSync } from 'node:fs'
import { copyFile, link, open, readdir, rename, rm, stat, unlink, utimes } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ObjectInfo, ObjectStore } from '../../engine/contracts.ts'
import { isSystemError, MillraceError } from '../../engine/errors.ts'
import { makeFolder } from '../../engine/make-folder.ts'
import { flush } from './flush.ts'
import { assertKey, compareKeys } from './key.ts'
import { storageError } from './storage-error.ts'

/** What tables in a folder may name. */
export interface LocalStoreOptions {
  /** See {@link ObjectStore.confined}. */
  readonly confined?: boolean
}

/**
 * The files under `rootDir`, which need not exist yet. Writes are whole or absent for every reader and survive a power
 * cut: a dot file beside the target is written and flushed, given its final name in one step, and the folder flushed.
 * A killed process may leave such a dot file behind; it is never listed. The filesystem must have hard links, since
 * linking is what lets one of several writers win. `STORAGE_FAILED` says what the disk refused.
 */
export function localStore(rootDir: string, { confined = false }: LocalStoreOptions = {}): ObjectStore {
  const root = resolve(rootDir)
  const at = (key: string): string => {
    assertKey(key)
    return join(root, key)
  }
  return {
    url: pathToFileURL(root).href,
    confined,
    async get(key) {
      return readOrNull(at(key))
    },
    list: (prefix, startAfter) => listFiles(root, prefix, startAfter ?? ''),
    async putIfAbsent(key, body) {
      const path = at(key)
      return guarded(path, () => throughTemporary(path, body, (temporary) => linkNew(temporary, path)))
    },
    async put(key, body) {
      const path = at(key)
      await guarded(path, () => throughTemporary(path, body, (temporary) => rename(temporary, path)))
    },
    async putFile(key, localPath) {
      const path = at(key)
      await guarded(path, () => moveIn(localPath, path))
    },
    async localFile(key) {
      const path = at(key)
      if (await isFile(path)) return path
      throw new MillraceError('TABLE_CORRUPT', `file is missing: ${path} (restore it, or restore the table)`)
    },
    async delete(key) {
      const path = at(key)
      await guarded(path, () => rm(path, { force: true }))
    },
  }
}

async function readOrNull(path: string): Promise<Uint8Array | null> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK) // a pipe would have us wait for a writer
    try {
      if (!fstatSync(file.fd).isFile()) return null // a folder, a pipe or a device holds no object
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return null
    throw storageError('read', path, error)
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return false
    throw storageError('read', path, error)
  }
}

async function guarded<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw storageError('write', path, error)
  }
}

/** Writes and flushes a dot file beside `path` and hands it to `publish`; nothing of it is left, whatever happens. */
async function throughTemporary<T>(
  path: string,
  body: Uint8Array,
  publish: (temporary: string) => Promise<T>,
): Promise<T> {
  const temporary = await temporaryBeside(path)
  try {
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(body)
      await file.sync()
    } finally {
      await file.close()
    }
    return await publish(temporary)
  } finally {
    await rm(temporary, { force: true })
    await flush(dirname(path))
  }
}

async function temporaryBeside(path: string): Promise<string> {
  await makeDurableFolder(dirname(path))
  return join(dirname(path), `.${randomUUID()}.tmp`)
}

/** False if there is one already. This is the step in which one of several writers wins. */
async function linkNew(source: string, path: string): Promise<boolean> {
  try {
    await link(source, path)
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    throw error
  }
}

/** The file is as old as its place in the store, not as its first bytes: by its age others tell whether it is still of use. */
async function moveIn(source: string, path: string): Promise<void> {
  const now = new Date()
  await utimes(source, now, now).catch((error: unknown) => {
    if (!isSystemError(error, 'EPERM')) throw error // another owner's file is copied, and as old as its copy
  })
  await flush(source)
  await makeDurableFolder(dirname(path))
  const moved = await linkNew(source, path).catch((error: unknown) => {
    if (isSystemError(error, 'EXDEV', 'EPERM')) return copyIn(source, path)
    throw error
  })
  if (!moved) throw new MillraceError('STORAGE_FAILED', `file exists already: ${path} (data files need new names)`)
  await flush(dirname(path))
  await unlink(source)
}

/** Across filesystems, and for files of another owner, which may not be linked. */
async function copyIn(source: string, path: string): Promise<boolean> {
  const temporary = await temporaryBeside(path)
  try {
    await copyFile(source, temporary)
    await flush(temporary)
    return await linkNew(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}

/** Creates a folder and makes its name, and those of the new ones above it, durable. */
async function makeDurableFolder(path: string): Promise<void> {
  const first = await makeFolder(path)
  if (first === null) return
  const above = dirname(first)
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    await flush(folder)
    if (folder === above || folder === dirname(folder)) return
  }
}

/** Only folders that can hold such keys are opened, and only files that are yielded are asked for their size. */
async function* listFiles(root: string, prefix: string, startAfter: string): AsyncGenerator<ObjectInfo> {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  for (const segment of folder.split('/').slice(0, -1)) assertKey(segment)
  yield* listFolder(root, folder, { prefix, startAfter })
}

interface Bounds {
  readonly prefix: string
  readonly startAfter: string
}

async function* listFolder(root: string, folder: string, bounds: Bounds): AsyncGenerator<ObjectInfo> {
  for (const key of await keysOf(root, folder)) {
    if (key.endsWith('/')) {
      if (mayHold(key, bounds)) yield* listFolder(root, key, bounds)
    } else if (key.startsWith(bounds.prefix) && compareKeys(key, bounds.startAfter) > 0) {
      const info = await infoOf(root, key)
      if (info !== null) yield info
    }
  }
}

/** Files and, ending in a slash, folders of a folder, in byte order: the slash counts, as it does in whole keys. */
async function keysOf(root: string, folder: string): Promise<string[]> {
  const path = join(root, folder)
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries
      .filter((entry) => !entry.name.startsWith('.'))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .sort(compareKeys)
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return []
    throw storageError('read', path, error)
  }
}

function mayHold(folder: string, { prefix, startAfter }: Bounds): boolean {
  const underPrefix = folder.startsWith(prefix) || prefix.startsWith(folder)
  return underPrefix && (startAfter.startsWith(folder) || compareKeys(folder, startAfter) > 0)
}

/** Null for a file that was deleted since the folder was read. */
async function infoOf(root: string, key: string): Promise<ObjectInfo | null> {
  try {
    const { size, mtimeMs } = await stat(join(root, key))
    return { key, sizeBytes: size, modifiedMs: Math.floor(mtimeMs) }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw storageError('read', join(root, key), error)
  }
}
