/** Where the files are that a table's log names: below the table, or anywhere by an absolute path. */
import { readFile, stat } from 'node:fs/promises'
import type { ObjectStore } from '../../engine/contracts.ts'
import { isSystemError, MillraceError, messageOf } from '../../engine/errors.ts'

/** A key of the store, or a file of this machine outside of it. */
export type DataLocation = { readonly key: string } | { readonly file: string }

/**
 * Where a file is. `path` is percent-encoded and relative to the table's folder, or an absolute URI (PROTOCOL.md, "Add File
 * and Remove File"). `TABLE_UNSUPPORTED` for one that neither the store nor, for a lake of files, this machine has.
 */
export function dataLocation(
  store: Pick<ObjectStore, 'url' | 'confined'>,
  tablePath: string,
  path: string,
): DataLocation {
  if (!/^([a-z][a-z0-9+.-]*:|\/)/i.test(path)) return { key: `${tablePath}/${decoded(tablePath, path)}` }
  const root = decoded(tablePath, store.url).replace(/\/+$/, '')
  const uri = decoded(tablePath, path.startsWith('/') ? `file:${path}` : path).replace(/^file:\/*/i, 'file:///')
  if (uri.startsWith(`${root}/`)) return { key: uri.slice(root.length + 1) }
  if (uri.startsWith('file:') && root.startsWith('file:') && store.confined !== true)
    return { file: uri.slice('file://'.length) }
  throw new MillraceError(
    'TABLE_UNSUPPORTED',
    `table ${tablePath} names a file outside of the lake: ${path} (copy the table with its files${store.confined === true ? ', or set MILLRACE_ABSOLUTE_PATHS=allow if you trust who wrote it' : ''})`,
  )
}

/** A local path with the bytes of a file that the log names. `TABLE_CORRUPT` if it is missing. */
export async function localPath(store: ObjectStore, tablePath: string, path: string): Promise<string> {
  const location = dataLocation(store, tablePath, path)
  if ('key' in location) return store.localFile(location.key)
  await requireFile(location.file)
  return location.file
}

/** The whole of a small file that the log names. `TABLE_CORRUPT` if it is missing. */
export async function readTableFile(store: ObjectStore, tablePath: string, path: string): Promise<Uint8Array> {
  const location = dataLocation(store, tablePath, path)
  if ('file' in location) {
    await requireFile(location.file)
    return readFile(location.file).catch((error: unknown) => Promise.reject(unreadable(location.file, error)))
  }
  return readKey(store, location.key)
}

/** The whole of a small object. `TABLE_CORRUPT` if it is missing. */
export async function readKey(store: ObjectStore, key: string): Promise<Uint8Array> {
  const body = await store.get(key)
  if (body === null) throw missing(`${store.url}/${key}`)
  return body
}

/** A device or a pipe has no end, or none that comes. */
async function requireFile(file: string): Promise<void> {
  const found = await stat(file).catch((error: unknown) => Promise.reject(unreadable(file, error)))
  if (found.isFile()) return
  throw new MillraceError(
    'TABLE_CORRUPT',
    `${file} is no regular file, and the table's log names it as one (restore the log from a copy)`,
  )
}

function unreadable(file: string, error: unknown): MillraceError {
  if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return missing(file)
  const message = `${file} could not be read: ${messageOf(error)} (give this user access to it)`
  return new MillraceError('STORAGE_FAILED', message, { cause: error })
}

function missing(what: string): MillraceError {
  return new MillraceError('TABLE_CORRUPT', `file is missing: ${what} (restore it, or restore the table)`)
}

function decoded(tablePath: string, path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw new MillraceError('TABLE_CORRUPT', `table ${tablePath} names a file by a malformed path: ${path}`, { cause })
  }
}
