/** The namespaces of a store in memory, brought to the state that a transaction sees by reading what was changed alone. */
import { serialize } from 'node:v8'
import { type Connection, identifier } from '../../engine/duckdb.ts'
import type { StoredNamespace } from '../vectors/embedder-identity.ts'
import type { TitleColumns } from '../vectors/store.ts'
import { type Named, namedOf, type TitleIndex, titleIndex } from '../vectors/titles.ts'
import { changesSince, lastChange, type VectorChange } from './changes.ts'
import { type HeldVectors, heldVectors, leastBytesOf } from './held-vectors.ts'
import { metadataColumns, storedNamespaces, tableOf, vectorCount } from './namespace.ts'

/** Namespaces and their vectors. */
export interface HeldNamespaces {
  /** Another number whenever anything is another. */
  readonly version: number
  stored(): readonly StoredNamespace[]
  /** Null where they are too large to be held, or there is no such namespace. */
  vectors(namespace: string): HeldVectors | null
  /** What they are called; null as for `vectors`. */
  titles(namespace: string): TitleIndex | null
  /** Reads what was changed since. Nobody sees a part of a commit. Must not be called while it runs. */
  follow(connection: Connection): Promise<void>
}

interface Held {
  readonly stored: StoredNamespace
  /** Null: too large. */
  readonly vectors: HeldVectors | null
  readonly titles: TitleIndex
  /** Null where the store does not say what changed. */
  readonly change: VectorChange | null
  /** What was too large for what was left; the same or more is not read again for that. */
  readonly tooLarge: { readonly vectors: number; readonly leftBytes: number } | null
}

/** How namespaces are held. */
export interface HoldingOptions {
  /** What all of them may take together. */
  readonly limitBytes: number
  /** By which columns they are found by name. */
  readonly titles: TitleColumns
  /** How what is stored beside vectors is told in JSON. */
  readonly toJson: (metadata: unknown) => string
}

/** No namespaces. */
export function heldNamespaces({ limitBytes, ...reading }: HoldingOptions): HeldNamespaces {
  const spaces = new Map<string, Held>()
  let version = 0
  const othersBytes = (namespace: string): number =>
    [...spaces].reduce((sum, [name, { vectors }]) => sum + (name === namespace ? 0 : (vectors?.bytes ?? 0)), 0)

  async function followOne(connection: Connection, stored: StoredNamespace): Promise<void> {
    const { namespace, id, dimension } = stored
    const change = await lastChange(connection, namespace)
    const known = spaces.get(namespace)
    const isSame = known?.stored.id === id && known.stored.dimension === dimension
    if (isSame && isSameChange(known.change, change)) return
    const put = (vectors: HeldVectors | null, titles = titleIndex(), tooLarge: Held['tooLarge'] = null): void => {
      spaces.set(namespace, { stored, vectors, titles, change, tooLarge })
      version += 1
    }
    const leftBytes = limitBytes - othersBytes(namespace)
    const refuse = (vectors: number): void => put(null, titleIndex(), { vectors, leftBytes })
    const held = isSame ? known.vectors : null
    const ids =
      held === null || known!.change === null ? null : await changesSince(connection, namespace, known!.change)
    if (held === null || ids === null) {
      if (held !== null) put(null) // its memory is for those that are read now
      const count = await vectorCount(connection, namespace)
      if (leastBytesOf(count, dimension) > leftBytes || isAsLarge(known?.tooLarge, count, leftBytes))
        return refuse(count)
      const vectors = heldVectors(dimension)
      const named = await stage(connection, namespace, { ...reading, vectors, leftBytes })
      if (named === null) return refuse(count)
      vectors.publish([])
      const titles = titleIndex()
      for (const each of named) titles.put(each)
      return put(vectors, titles)
    }
    try {
      const changed = await connection.rows(ids)
      const named = await stage(connection, namespace, { ...reading, vectors: held, leftBytes, ids })
      if (named === null) return refuse(await vectorCount(connection, namespace))
      const gone = changed.map((row) => String(row.id))
      held.publish(gone)
      const { titles } = known!
      for (const id of gone) titles.remove(id)
      for (const each of named) titles.put(each)
      put(held, titles)
    } finally {
      held.discard()
    }
  }

  return {
    get version() {
      return version
    },
    stored: () => [...spaces.values()].map(({ stored }) => stored),
    titles: (namespace) => spaces.get(namespace)?.titles ?? null,
    vectors: (namespace) => spaces.get(namespace)?.vectors ?? null,
    async follow(connection) {
      const stored = await storedNamespaces(connection)
      for (const name of spaces.keys())
        if (!stored.some(({ namespace }) => namespace === name)) {
          spaces.delete(name)
          version += 1
        }
      for (const each of stored) await followOne(connection, each)
    },
  }
}

function isAsLarge(tooLarge: Held['tooLarge'] | undefined, vectors: number, leftBytes: number): boolean {
  return tooLarge != null && vectors >= tooLarge.vectors && leftBytes <= tooLarge.leftBytes
}

/** The same commit, and one that the store knows: of what it does not note, anything may be another. */
function isSameChange(known: VectorChange | null, change: VectorChange | null): boolean {
  return known !== null && change !== null && known.number === change.number && known.txnId === change.txnId
}

interface Staging extends Omit<HoldingOptions, 'limitBytes'> {
  readonly vectors: HeldVectors
  readonly leftBytes: number
  /** Query of the ids that are read; default all. */
  readonly ids?: string
}

/** Reads vectors and what is stored beside them; what they are called, or null, and nothing is published, where they take more than is left. */
async function stage(
  connection: Connection,
  namespace: string,
  { vectors, leftBytes, titles, toJson, ids }: Staging,
): Promise<Named[] | null> {
  const from = `${tableOf(namespace)}${ids === undefined ? '' : ` WHERE id IN (${ids})`}`
  for await (const part of connection.keyedVectors(`SELECT id, embedding FROM ${from}`)) {
    vectors.stage(part.keys, part.vectors)
    if (vectors.bytes > leftBytes) return null
  }
  const named: Named[] = []
  const names = (await metadataColumns(connection, namespace)).map(({ name }) => name)
  const columns = ['id', ...names].map(identifier).join(', ')
  for await (const [found = [], ...values] of connection.chunks(`SELECT ${columns} FROM ${from}`)) {
    for (const [row, id] of found.entries()) {
      const metadata = Object.fromEntries(names.map((name, column) => [name, values[column]![row]]))
      vectors.describe(String(id), { metadata: serialize(metadata), json: Buffer.from(toJson(metadata)) })
      named.push(namedOf(String(id), metadata, titles))
    }
    if (vectors.bytes > leftBytes) return null
  }
  return named
}
