/**
 * Who reads a table's versions, and from where on: so that what a reader still needs is not cleaned up. One small object per
 * pipeline beside the table's files; other engines pass over names that begin with an underscore.
 */
import type { ObjectStore } from '../../engine/contracts.ts'
import { int64, parseJson, printJson } from './int64-json.ts'

/** A pipeline that reads a table version by version. */
export interface TableReader {
  readonly pipeline: string
  /** The next version that it reads. */
  readonly version: bigint
  /** When it last said so. */
  readonly seenMs: number
}

/** Says how far a pipeline has read; the last word counts. */
export async function registerReader(store: ObjectStore, table: string, reader: TableReader): Promise<void> {
  const { pipeline, version, seenMs } = reader
  await store.put(readerKey(table, pipeline), Buffer.from(printJson({ pipeline, version, seenMs: Math.floor(seenMs) })))
}

/** Lets a table be cleaned up past what a pipeline has read; fine if it is not known. */
export async function forgetReader(store: ObjectStore, table: string, pipeline: string): Promise<void> {
  await store.delete(readerKey(table, pipeline))
}

/** All pipelines that are known to read a table, by name. Damaged objects count as readers of everything. */
export async function readersOf(store: ObjectStore, table: string): Promise<TableReader[]> {
  const readers: TableReader[] = []
  const prefix = `${table}/${folder}/`
  for await (const { key, modifiedMs } of store.list(prefix)) {
    const name = decodeURIComponent(key.slice(prefix.length).replace(/\.json$/, ''))
    const body = await store.get(key)
    if (body !== null) readers.push({ pipeline: name, ...parseReader(body, modifiedMs) })
  }
  return readers
}

/** The first version that some reader still needs; null without readers. */
export function leastVersion(readers: readonly TableReader[]): bigint | null {
  return readers.reduce<bigint | null>(
    (least, { version }) => (least === null || version < least ? version : least),
    null,
  )
}

const folder = '_millrace_readers'

function readerKey(table: string, pipeline: string): string {
  return `${table}/${folder}/${encodeURIComponent(pipeline)}.json`
}

function parseReader(body: Uint8Array, modifiedMs: number): Pick<TableReader, 'version' | 'seenMs'> {
  try {
    const reader = parseJson(Buffer.from(body).toString('utf8')) as Record<string, unknown>
    return { version: int64(reader.version) ?? 0n, seenMs: Number(reader.seenMs ?? modifiedMs) }
  } catch {
    return { version: 0n, seenMs: modifiedMs }
  }
}
