/** The lake that is configured: a folder or a bucket. */
import { localStore } from '../connectors/storage/local.ts'
import { storageError } from '../connectors/storage/storage-error.ts'
import type { Clock, Ids, ObjectStore } from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'
import { makeFolder } from '../engine/make-folder.ts'
import type { LakeSettings } from './lake-config.ts'

/** An open lake. */
export interface Lake {
  readonly store: ObjectStore
  /**
   * Makes sure that tables can be written, or says in one line why not. What may pass is passed over: each batch has
   * patience of its own.
   */
  prepare(): Promise<void>
  /** Local files that the store hands out from now on stay until the returned function is called. */
  hold(): () => void
  close(): void
}

/** What a lake is opened with. */
export interface LakeOptions {
  readonly settings: LakeSettings | null
  /** Whether files that tables name outside of it are refused; in a bucket they always are. */
  readonly confined?: boolean
  /** The lake's folder where none is configured. */
  readonly lakeDir: string
  /** For copies of a bucket's objects. */
  readonly cacheDir: string
  readonly clock: Clock
  readonly ids: Ids
}

/** Opens a lake; nothing is created or sent. The client of S3 is loaded by those who have a bucket. */
export async function openLake({
  settings,
  confined = false,
  lakeDir,
  cacheDir,
  clock,
  ids,
}: LakeOptions): Promise<Lake> {
  if (settings?.kind !== 's3') return folderLake(settings?.dir ?? lakeDir, confined)
  const { s3Store } = await import('../connectors/storage/s3.ts')
  const { openFileCache } = await import('../connectors/storage/cache/file-cache.ts')
  const cache = openFileCache({ dir: cacheDir, limitBytes: settings.cacheBytes, clock, ids })
  const store = s3Store({ settings: settings.s3, clock, ids, cache })
  return {
    store,
    prepare: () =>
      store.assertUsable().catch((error: unknown) => {
        if (!(error instanceof MillraceError) || !error.retryable) throw error
      }),
    hold: cache.hold,
    close() {
      cache.close()
      store.close()
    },
  }
}

function folderLake(dir: string, confined: boolean): Lake {
  return {
    store: localStore(dir, { confined }),
    async prepare() {
      try {
        await makeFolder(dir, { mode: 0o700 })
      } catch (cause) {
        throw storageError('write', dir, cause)
      }
    },
    hold: () => () => {},
    close() {},
  }
}
