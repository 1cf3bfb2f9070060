/** What a cached file is called. */
import { createHash } from 'node:crypto'
import { processName } from '../../../engine/process-name.ts'

/** One version of an object of a store. */
export interface CachedObject {
  /** The store: address and root. */
  readonly source: string
  readonly key: string
  readonly etag: string
  readonly sizeBytes: number
}

/** A file name that no other version, key or store has; it tells the size that the file must have. */
export function entryName({ source, key, etag, sizeBytes }: CachedObject): string {
  const hash = createHash('sha256')
  for (const part of [source, key, etag]) hash.update(`${part.length} ${part}`)
  return `${hash.digest('hex').slice(0, 40)}-${sizeBytes}`
}

/** Name of an unfinished file of this process; it begins with a dot, so that it is never taken for an entry. */
export function unfinishedName(entry: string, id: string): string {
  return `.${entry}.${processName()}.${id}.tmp`
}

/** Name of the file that says who brings an entry. */
export function lockName(entry: string): string {
  return `.${entry}.lock`
}

/** The process that an unfinished file is of; null for a name of another kind. */
export function processOfUnfinished(name: string): string | null {
  return /^\.[^.]+\.(.+)\.[^.]+\.tmp$/.exec(name)?.[1] ?? null
}
