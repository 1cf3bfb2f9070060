/** When a copy of an embedded store must be read again. */
import { statSync } from 'node:fs'
import type { Clock } from '../../engine/contracts.ts'
import type { Connection } from '../../engine/duckdb.ts'
import type { DuckdbStore } from '../../engine/duckdb-store.ts'

/** A commit may be seen in the store's files this long before readers of the store see it. */
const settlingMs = 5_000
/** Between two readings of a store that is written to. */
const pauseMs = 250

/** Readings of a store, one after another, and whether another one is due. */
export interface Freshness {
  /** Does work in a transaction of its own, after all work before it. */
  read<T>(work: (connection: Connection) => Promise<T>): Promise<T>
  /**
   * Resolves as soon as the copy was made once, and at once from then on; where the store may have changed since, `follow` is called beside whoever waits
   * for nothing. If it throws, the next caller waits for the next try, and has its error.
   */
  current(): Promise<void>
}

/** @param follow brings the copy to the state that a connection sees */
export function freshness(
  store: DuckdbStore,
  clock: Clock,
  follow: (connection: Connection) => Promise<void>,
): Freshness {
  let last: Promise<unknown> = Promise.resolve()
  let made = false
  let seen = { files: '', sinceMs: 0 }
  let read = { files: '', atMs: Number.NEGATIVE_INFINITY }
  let following: Promise<void> | null = null

  const inTurn = <T>(work: (connection: Connection) => Promise<T>): Promise<T> => {
    const done = last.then(() => store.use('read', work))
    last = done.catch(() => {}) // told to whoever waits for it
    return done
  }

  function isDue(): boolean {
    const [files, nowMs] = [filesOf(store.path), clock.nowMs()]
    if (files !== seen.files) seen = { files, sinceMs: nowMs }
    if (nowMs - read.atMs < pauseMs) return false
    return files !== read.files || read.atMs - seen.sinceMs < settlingMs
  }

  function begin(): Promise<void> {
    following ??= inTurn(async (connection) => {
      const [files, atMs] = [filesOf(store.path), clock.nowMs()]
      await follow(connection)
      read = { files, atMs }
    }).then(
      () => {
        following = null
        made = true
      },
      (error: unknown) => {
        following = null
        made = false
        throw error
      },
    )
    return following
  }

  return {
    read: inTurn,
    async current() {
      if (!made) return begin()
      if (following === null && isDue()) begin().catch(() => {}) // whoever comes next tries again, and hears of it
    },
  }
}

/** Another text after every commit: it goes into the write-ahead log, or into the file itself. */
function filesOf(path: string): string {
  return [path, `${path}.wal`]
    .map((file) => {
      const found = statSync(file, { bigint: true, throwIfNoEntry: false })
      return found === undefined ? '' : `${found.ino}:${found.size}:${found.mtimeNs}`
    })
    .join(' ')
}
