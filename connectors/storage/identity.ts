/** What tells one place of tables from all others: an id that is kept in it. */
import type { Ids, ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'

/** No table can be there: its folder would hold a log. */
const key = '_millrace/identity.json'

/**
 * The id of the store, made once by whoever asks first: of several at the same time one wins, and all get its id. A copy of a store
 * has the id of its original until the file is deleted there. `STORAGE_FAILED` if the file is damaged.
 */
export async function storeIdentity(store: ObjectStore, ids: Ids): Promise<string> {
  const found = await store.get(key)
  if (found !== null) return idIn(found, store)
  await store.putIfAbsent(key, Buffer.from(`${JSON.stringify({ id: ids.uuid() })}\n`))
  const kept = await store.get(key)
  if (kept !== null) return idIn(kept, store)
  throw new MillraceError(
    'STORAGE_FAILED',
    `${store.url}: ${key} was written and is not there (is somebody deleting it?)`,
    {
      retryable: true,
    },
  )
}

function idIn(file: Uint8Array, store: ObjectStore): string {
  try {
    const { id } = JSON.parse(Buffer.from(file).toString('utf8')) as { readonly id?: unknown }
    if (typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id)) return id
  } catch {} // the same as an id that is none
  throw new MillraceError(
    'STORAGE_FAILED',
    `${store.url}: ${key} is damaged: it holds no id (delete it: a new one only gives consumer groups another name)`,
  )
}
