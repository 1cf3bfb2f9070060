/**
 * Operations on a table that is a log alone: the rows of a file stand in its tags, and a deletion vector names the keys that it
 * takes out. They ask the log for what a real writer asks it, and leave in it what a real writer leaves.
 */
import type { Action, AddFile, DeletionVector } from '../connectors/delta/actions.ts'
import type { DeltaTable, LiveFiles, TransactionResult } from '../connectors/delta/table.ts'
import { removalOf } from '../connectors/delta/table-write.ts'

export type Rows = ReadonlyMap<number, number>

/** What a writer wants of the table. */
export type Operation =
  | { readonly kind: 'append'; readonly rows: Rows }
  /** One more for each of the keys that is there, by writing files anew or by deletion vectors. */
  | { readonly kind: 'increment'; readonly keys: readonly number[]; readonly marking: boolean }
  | { readonly kind: 'delete'; readonly keys: readonly number[]; readonly marking: boolean }
  /** All files become one; no row changes. */
  | { readonly kind: 'optimize' }

/** Who does it: names files and transactions. */
export interface Writer {
  readonly table: DeltaTable
  readonly name: string
  next: number
}

/** The rows of live files; throws if a key is in two files. */
export function rowsOf(files: LiveFiles): Map<number, number> {
  const rows = new Map<number, number>()
  for (const file of files.values())
    for (const [key, value] of liveRows(file)) {
      if (rows.has(key)) throw new Error(`key ${key} is in two files`)
      rows.set(key, value)
    }
  return rows
}

/** What an operation does to a plain map. */
export function apply(rows: Map<number, number>, operation: Operation): void {
  if (operation.kind === 'append') for (const [key, value] of operation.rows) rows.set(key, value)
  if (operation.kind === 'increment')
    for (const key of operation.keys) if (rows.has(key)) rows.set(key, rows.get(key)! + 1)
  if (operation.kind === 'delete') for (const key of operation.keys) rows.delete(key)
}

/** One try; whatever it is told, a conflict is for the caller to try again on. */
export async function attempt(writer: Writer, operation: Operation): Promise<TransactionResult> {
  const snapshot = (await writer.table.snapshot())!
  const plan = planOf(writer, await snapshot.files(), operation)
  const txnId = `${writer.name}-${writer.next++}`
  return writer.table.commit({ snapshot, ...plan, operation: operation.kind, txnId, admits: () => true })
}

type Plan = Pick<Parameters<DeltaTable['commit']>[0], 'actions' | 'reads'>

function planOf(writer: Writer, live: LiveFiles, operation: Operation): Plan {
  if (operation.kind === 'append')
    return { actions: [{ add: fileOf(writer, operation.rows, true) }], reads: { kind: 'blind-append' } }
  if (operation.kind === 'optimize') return planOptimize(writer, live)
  const keys = new Set(operation.keys)
  const touched = [...live.values()].filter((file) => [...liveRows(file).keys()].some((key) => keys.has(key)))
  const actions: Action[] = []
  const written = new Map<number, number>()
  for (const file of touched) {
    actions.push({ remove: removalOf(file, 0) })
    for (const [key, value] of liveRows(file)) {
      if (!keys.has(key)) {
        if (!operation.marking) written.set(key, value)
      } else if (operation.kind === 'increment') written.set(key, value + 1)
    }
    if (operation.marking)
      actions.push({ add: { ...file, dataChange: true, deletionVector: vectorOf(writer, file, keys) } })
  }
  if (written.size > 0) actions.push({ add: fileOf(writer, written, true) })
  return {
    actions,
    reads: {
      kind: 'files',
      files: new Set(touched.map(({ path }) => path)),
      mayMatch: (added) => [...liveRows(added).keys()].some((key) => keys.has(key)),
    },
  }
}

function planOptimize(writer: Writer, live: LiveFiles): Plan {
  const files = [...live.values()]
  const rows = rowsOf(live)
  const removes = files.map((file): Action => ({ remove: { ...removalOf(file, 0), dataChange: false } }))
  const add: Action[] = rows.size === 0 ? [] : [{ add: fileOf(writer, rows, false) }]
  return {
    actions: [...removes, ...add],
    reads: { kind: 'files', files: new Set(files.map(({ path }) => path)), mayMatch: () => false },
  }
}

function fileOf(writer: Writer, rows: Rows, dataChange: boolean): AddFile {
  const path = `${writer.name}-${writer.next++}`
  const tags = { rows: JSON.stringify([...rows]) }
  return { path, partitionValues: {}, size: 1n, modificationTime: 0n, dataChange, tags }
}

function vectorOf(writer: Writer, file: AddFile, keys: ReadonlySet<number>): DeletionVector {
  const taken = [...allRows(file).keys()].filter((key) => keys.has(key) || !liveRows(file).has(key))
  return {
    storageType: 'i',
    pathOrInlineDv: JSON.stringify([taken, `${writer.name}-${writer.next++}`]),
    sizeInBytes: 0,
    cardinality: BigInt(taken.length),
  }
}

function allRows(file: AddFile): Map<number, number> {
  return new Map(JSON.parse(file.tags!.rows!) as [number, number][])
}

function liveRows(file: AddFile): Map<number, number> {
  const rows = allRows(file)
  if (file.deletionVector === undefined) return rows
  const [taken] = JSON.parse(file.deletionVector.pathOrInlineDv) as [number[], string]
  for (const key of taken) rows.delete(key)
  return rows
}
