/** What lies below a table, but for its log. */
import type { ObjectInfo, ObjectStore } from '../../engine/contracts.ts'
import { keysOf, type NamedFile } from './file-keys.ts'

/** All objects below a table in the order of their keys, but for those of its own log, which may be long. */
export async function* filesBelow(store: ObjectStore, table: string): AsyncGenerator<ObjectInfo> {
  const log = `${table}/_delta_log`
  for await (const info of store.list(`${table}/`)) {
    if (info.key.startsWith(`${log}/`)) {
      yield* store.list(`${table}/`, `${log}0`) // the character after the slash
      return
    }
    yield info
  }
}

/** Keys, out of some, of which there is no object below the table. */
export async function missingKeys(store: ObjectStore, table: string, keys: Iterable<string>): Promise<string[]> {
  const missing = new Set(keys)
  if (missing.size > 0) for await (const { key } of filesBelow(store, table)) missing.delete(key)
  return [...missing]
}

/** Keys of files, and of their deletion vectors, that are named and not there. Files outside of the table are not looked for. */
export function missingFiles(store: ObjectStore, table: string, files: readonly NamedFile[]): Promise<string[]> {
  const keys = files.flatMap((file) => keysOf(store, table, file))
  return missingKeys(
    store,
    table,
    keys.filter((key) => key.startsWith(`${table}/`)),
  )
}
