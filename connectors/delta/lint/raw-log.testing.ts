/** A log as files in memory, to be broken in one place at a time. */
import type { ObjectStore } from '../../../engine/contracts.ts'
import { parseJson, printJson } from '../int64-json.ts'
import { versionName } from '../log-entry.ts'

/** An action, or the fields of one, to be changed. */
export type Change = Record<string, unknown>

/** A log whose entries can be changed as actions or as text. */
export interface RawLog {
  /** By name in the log's folder. */
  readonly files: Map<string, Uint8Array>
  /** An entry as text. */
  text(version: number): string
  setText(version: number, text: string): void
  /** The actions of an entry. */
  actions(version: number): Change[]
  setActions(version: number, actions: readonly Change[]): void
  /** More actions at the end of an entry. */
  append(version: number, ...actions: readonly Change[]): void
  /** The fields of the first action of a kind. */
  fields(version: number, kind: string): Change
  /** Changes the fields of the first action of a kind, which must be there. */
  edit(version: number, kind: string, change: (fields: Change) => void): void
  /** The same for a field that holds JSON text. */
  editJson(version: number, kind: string, field: string, change: (value: Change) => void): void
  set(name: string, body: string | Uint8Array): void
}

/** Name of an entry in the log's folder. */
export function entryName(version: number): string {
  return `${versionName(BigInt(version))}.json`
}

/** A copy of the files, to be changed. */
export function rawLog(files: ReadonlyMap<string, Uint8Array>): RawLog {
  const own = new Map(files)
  const log: RawLog = {
    files: own,
    text: (version) => Buffer.from(own.get(entryName(version))!).toString('utf8'),
    setText: (version, text) => log.set(entryName(version), text),
    actions: (version) =>
      log
        .text(version)
        .trim()
        .split('\n')
        .map((line) => parseJson(line) as Change),
    setActions: (version, actions) => log.setText(version, actions.map((action) => `${printJson(action)}\n`).join('')),
    append: (version, ...actions) => log.setActions(version, [...log.actions(version), ...actions]),
    fields: (version, kind) => log.actions(version).find((action) => kind in action)![kind] as Change,
    edit(version, kind, change) {
      const actions = log.actions(version)
      change(actions.find((action) => kind in action)![kind] as Change)
      log.setActions(version, actions)
    },
    editJson(version, kind, field, change) {
      log.edit(version, kind, (fields) => {
        const value = parseJson(fields[field] as string) as Change
        change(value)
        fields[field] = printJson(value)
      })
    },
    set: (name, body) => void own.set(name, typeof body === 'string' ? Buffer.from(body) : body),
  }
  return log
}

/** The log of a table in a store. */
export async function readLog(store: ObjectStore, table: string): Promise<RawLog> {
  const prefix = `${table}/_delta_log/`
  const files = new Map<string, Uint8Array>()
  for await (const { key } of store.list(prefix)) files.set(key.slice(prefix.length), (await store.get(key))!)
  return rawLog(files)
}

/** Puts the log into a store, as that of a table `t`. */
export async function putLog(store: ObjectStore, { files }: RawLog): Promise<ObjectStore> {
  for (const [name, body] of files) await store.put(`t/_delta_log/${name}`, body)
  return store
}
