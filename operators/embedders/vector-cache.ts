/** Vectors by the content of their text, in one file that threads and processes share. It may be deleted while nobody runs. */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import type { Clock } from '../../engine/contracts.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { makeFolderNow } from '../../engine/make-folder.ts'

/** What is kept of one embedder's vectors. */
export interface VectorCache {
  /** Vectors by place; undefined for texts that are not kept, or of which the entry is damaged. */
  get(texts: readonly string[]): (Float32Array | undefined)[]
  /** Keeps vectors: all of them or none, on disk as soon as the system writes its pages. */
  put(texts: readonly string[], vectors: readonly Float32Array[]): void
  close(): void
}

export interface VectorCacheOptions {
  /** Created if it is missing. On a disk of this machine: the file is shared through memory. */
  readonly dir: string
  /** Embedder whose vectors they are. */
  readonly embedder: { readonly id: string; readonly dimension: number }
  /** Size at which the entries that were kept first go, until a tenth of it is free. */
  readonly limitBytes: number
  readonly clock: Clock
}

const busyTimeoutMs = 10_000
/** Of the limit, what stays when it is passed: room for what comes next. */
const keptShare = 0.9
/** Entries between two looks at the size. */
const lookEvery = 1000

/**
 * Opens the file, and makes it if it is not there. Entries survive the death of any process, whole or not at all; each carries a checksum
 * and is served only while that holds. Errors: `STORAGE_FAILED` (retryable where the disk is full or others hold the file too long).
 */
export async function openVectorCache(options: VectorCacheOptions): Promise<VectorCache> {
  const { embedder, limitBytes } = options
  const path = join(options.dir, 'vectors.sqlite')
  const { database, number } = await opened(path, options)
  const bytes = embedder.dimension * Float32Array.BYTES_PER_ELEMENT
  const find = database.prepare('SELECT vector, checksum FROM vectors WHERE embedder = ? AND text = ?')
  const keep = database.prepare('INSERT OR REPLACE INTO vectors (embedder, text, vector, checksum) VALUES (?, ?, ?, ?)')
  let untilLook = 0
  return {
    get: (texts) =>
      asked(path, () =>
        texts.map((text) => {
          const row = find.get(number, keyOf(text))
          return row === undefined ? undefined : vectorOf(row, bytes)
        }),
      ),
    put: (texts, vectors) =>
      asked(path, () => {
        database.exec('BEGIN IMMEDIATE')
        try {
          for (const [i, text] of texts.entries()) keepOne(keep, number, text, vectors[i]!)
          untilLook -= texts.length
          if (untilLook <= 0) {
            dropOldest(database, limitBytes)
            untilLook = lookEvery
          }
          database.exec('COMMIT')
        } catch (error) {
          if (database.isTransaction) database.exec('ROLLBACK')
          throw error
        }
      }),
    close: () => database.close(),
  }
}

const layout = `
  CREATE TABLE IF NOT EXISTS embedders (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
  CREATE TABLE IF NOT EXISTS vectors (
    entry INTEGER PRIMARY KEY AUTOINCREMENT, embedder INTEGER NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL,
    checksum INTEGER NOT NULL, UNIQUE (embedder, text)
  )`

async function opened(path: string, { dir, embedder, clock }: VectorCacheOptions) {
  const { DatabaseSync } = await import('node:sqlite')
  const deadlineMs = clock.nowMs() + busyTimeoutMs
  for (;;) {
    let database: DatabaseSync | null = null
    try {
      makeFolderNow(dir)
      database = new DatabaseSync(path, { timeout: busyTimeoutMs })
      // a log beside the file: readers and one writer at a time, and no commit waits for the disk
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
      database.exec(`BEGIN IMMEDIATE; ${layout}; COMMIT`)
      database.prepare('INSERT OR IGNORE INTO embedders (id) VALUES (?)').run(embedder.id)
      const row = database.prepare('SELECT number FROM embedders WHERE id = ?').get(embedder.id)
      return { database, number: Number(row!.number) }
    } catch (error) {
      database?.close()
      if (!isBusy(error) || clock.nowMs() >= deadlineMs) throw failed(path, error)
      await clock.sleep(20) // the change to the log's mode waits for nobody
    }
  }
}

function keyOf(text: string): Uint8Array {
  return hash('sha256', text, 'buffer')
}

function keepOne(keep: StatementSync, number: number, text: string, vector: Float32Array): void {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
  keep.run(number, keyOf(text), bytes, crc32(bytes))
}

function vectorOf(row: Readonly<Record<string, unknown>>, bytes: number): Float32Array | undefined {
  const { vector, checksum } = row
  if (!(vector instanceof Uint8Array) || vector.length !== bytes || crc32(vector) !== checksum) return undefined
  return new Float32Array(vector.slice().buffer)
}

/** Pages of deleted entries are used again: the file does not shrink, and does not grow past the limit. */
function dropOldest(database: DatabaseSync, limitBytes: number): void {
  const pragma = (name: string) => Number(Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0])
  const usedBytes = (pragma('page_count') - pragma('freelist_count')) * pragma('page_size')
  if (usedBytes <= limitBytes) return
  const share = 1 - (keptShare * limitBytes) / usedBytes
  database
    .prepare(
      `DELETE FROM vectors WHERE entry IN
       (SELECT entry FROM vectors ORDER BY entry LIMIT (SELECT CAST(count(*) * ? AS INTEGER) + 1 FROM vectors))`,
    )
    .run(share)
}

function asked<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw failed(path, error)
  }
}

/** SQLite's own codes, of which the low byte is the kind. */
const sqlite = { busy: 5, locked: 6, full: 13 } as const

function kindOf(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
}

function isBusy(error: unknown): boolean {
  return kindOf(error) === sqlite.busy || kindOf(error) === sqlite.locked
}

function failed(path: string, cause: unknown): MillraceError {
  const full = kindOf(cause) === sqlite.full
  const advice = full ? 'make room on the disk' : 'if it is damaged, delete its folder: texts are then embedded again'
  return new MillraceError('STORAGE_FAILED', `embedding cache ${path}: ${messageOf(cause)} (${advice})`, {
    cause,
    retryable: full || isBusy(cause),
  })
}
