/** The time by the clock that the objects of a store are dated by, which need not be that of this machine. */
import type { Ids, ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'

/**
 * Milliseconds since 1970 by the store's own clock: those of an object that is made for it beside the table's files, and deleted
 * again. A store may count whole seconds only.
 */
export async function storeTimeMs(store: ObjectStore, table: string, ids: Ids): Promise<number> {
  const key = `${table}/_millrace_time-${ids.uuid()}`
  await store.put(key, new Uint8Array(0))
  try {
    for await (const info of store.list(key)) if (info.key === key) return info.modifiedMs
  } finally {
    await store.delete(key)
  }
  throw new MillraceError('STORAGE_FAILED', `${store.url} does not list what was just written: ${key} (try again)`, {
    retryable: true,
  })
}
