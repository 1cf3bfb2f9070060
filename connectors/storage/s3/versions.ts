/** Versions of objects that are known without asking again. */
import type { StoredVersion } from './conditional.ts'

/** A memory of versions. */
export interface KnownVersions {
  get(key: string): StoredVersion | undefined
  /** Remembers the version, if its key will never name another object. */
  set(key: string, version: StoredVersion): void
  forget(key: string): void
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/
const most = 50_000

/**
 * Remembers only keys whose file name holds a UUID, as those of data files do: a table that is dropped and made anew has
 * others. All others (log checkpoints) have to be asked for each time.
 */
export function versionsOfUniqueKeys(): KnownVersions {
  const known = new Map<string, StoredVersion>()
  return {
    get: (key) => known.get(key),
    set(key, version) {
      if (!uuid.test(key.slice(key.lastIndexOf('/') + 1))) return
      known.delete(key)
      known.set(key, version)
      if (known.size > most) for (const oldest of known.keys()) return void known.delete(oldest)
    },
    forget: (key) => void known.delete(key),
  }
}
