/** Parquet files from Arrow tables and back, through parquet-wasm. Nothing larger than a row group is held. */
import { openAsBlob, readFileSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Table as ArrowTable, DataType as ArrowType, type RecordBatch, type Schema, tableFromIPC } from 'apache-arrow'
import * as wasm from 'parquet-wasm/esm'
import { isSystemError, MillraceError, messageOf } from '../errors.ts'
import { faultPoint } from '../fault-points.ts'
import type { ParquetFile } from '../schema.ts'
import { emptyBatch } from './arrow.ts'
import { collectStatistics } from './arrow-statistics.ts'
import { columnsOf } from './arrow-types.ts'
import { ipcMessage } from './ipc-message.ts'
import { asWritten, dictionaryColumns, storedSchema } from './parquet-schema.ts'

/** Encoded bytes after which a row group ends: whoever reads wide rows holds some of it at a time, unpacked. */
const rowGroupBytes = 2 * 2 ** 20
/** Rows after which a row group ends, however small they are. */
const rowGroupRows = 131_072
/** Bytes of Arrow buffers handed to the encoder at once: the copy that it makes, and a page of the file, are bounded by this. */
const sliceBytes = 2 ** 20

/** A Parquet file being written. Calls must not overlap. */
export interface ParquetWriter {
  /** Adds the rows of a table that has the writer's schema; resolves when the encoder has taken them. */
  write(table: ArrowTable): Promise<void>
  /** Ends the file. Not durable yet: that is for the store that takes it in. */
  close(): Promise<ParquetFile>
  /** Removes what was written, also after `close`. */
  abort(): Promise<void>
}

/**
 * Starts a Parquet file at `path` (its folder exists, the file does not): Snappy, lists in three levels, timestamps
 * in UTC microseconds, dictionaries only for columns whose first rows hold few distinct texts.
 * `SCHEMA_MISMATCH` if a column has a type that no table can hold, `STORAGE_FAILED` if the disk refuses.
 */
export async function openParquetWriter(path: string, schema: Schema): Promise<ParquetWriter> {
  await loadWasm()
  const columns = columnsOf(schema)
  const stored = storedSchema(schema)
  const statistics = collectStatistics(stored)
  const file = await open(path, 'wx').catch((cause: unknown) => Promise.reject(writeFailed(path, cause)))
  let encoder: Encoder | null = null
  let rows = 0

  async function encode(batch: RecordBatch): Promise<void> {
    encoder ??= startEncoder(file, writerProperties(batch))
    await encoder.push(batch).catch((cause: unknown) => Promise.reject(writeFailed(path, cause)))
  }
  return {
    async write(table) {
      for (const batch of table.batches) {
        if (batch.numRows === 0) continue
        const written = asWritten(batch, stored)
        statistics.add(written)
        for (const slice of slices(written)) await encode(slice)
        rows += batch.numRows
      }
    },
    async close() {
      if (encoder === null) await encode(emptyBatch(stored.fields)) // a file without rows still has a schema
      const sizeBytes = await encoder!.finish().catch((cause: unknown) => Promise.reject(writeFailed(path, cause)))
      await file.close()
      faultPoint('file-written')
      return { path, rows, sizeBytes, columns, statistics: rows === 0 ? [] : statistics.finish() }
    },
    async abort() {
      await encoder?.abort()
      await file.close()
      await rm(path, { force: true })
    },
  }
}

/** Writes tables that share a schema (at least one) to one new Parquet file. */
export async function writeParquet(tables: readonly ArrowTable[], path: string): Promise<ParquetFile> {
  const writer = await openParquetWriter(path, tables[0]!.schema)
  try {
    for (const table of tables) await writer.write(table)
    return await writer.close()
  } catch (error) {
    await writer.abort()
    throw error
  }
}

/**
 * The rows of a Parquet file in order, or some of them, as tables of at most `batchRows` rows. `TABLE_CORRUPT` if it is not readable.
 * @param part from which row, counted from 0, and how many
 */
export async function* readParquetBatches(
  path: string,
  batchRows: number,
  part?: { readonly from: number; readonly rows: number },
): AsyncGenerator<ArrowTable> {
  await loadWasm()
  const fail = (cause: unknown) => Promise.reject(readFailed(path, cause))
  const file = await openParquet(path).catch(fail)
  try {
    const options = { batchSize: batchRows, ...(part === undefined ? {} : { offset: part.from, limit: part.rows }) }
    const stream: ReadableStream<wasm.RecordBatch> = await file.stream(options).catch(fail)
    const reader = stream.getReader()
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read())
        yield tableFromIPC(next.value.intoIPCStream())
    } catch (cause) {
      await fail(cause)
    } finally {
      await reader.cancel()
    }
  } finally {
    file.free()
  }
}

async function openParquet(path: string): Promise<wasm.ParquetFile> {
  return wasm.ParquetFile.fromFile(await openAsBlob(path)) // bytes are read when they are needed
}

/** A whole Parquet file as one table. For small files: everything is in memory. */
export async function readParquet(path: string): Promise<ArrowTable> {
  const tables: ArrowTable[] = []
  for await (const table of readParquetBatches(path, 65_536)) tables.push(table)
  return tables.length === 0 ? emptyTable(path) : new ArrowTable(tables.flatMap((table) => table.batches))
}

async function emptyTable(path: string): Promise<ArrowTable> {
  const schema = wasm.readSchema(readFileSync(path))
  return tableFromIPC(schema.intoIPCStream())
}

let loading: Promise<unknown> | null = null

/** Compiles the module once per thread. */
function loadWasm(): Promise<unknown> {
  loading ??= wasm.default({
    module_or_path: readFileSync(fileURLToPath(import.meta.resolve('parquet-wasm/esm/parquet_wasm_bg.wasm'))),
  })
  return loading
}

function writerProperties(first: RecordBatch): wasm.WriterProperties {
  const { fields } = first.schema
  // the encoder names fields inside others to nobody: where one of them may hold a NaN, none of them has bounds
  const nested = fields.some(({ type }) => type.children?.length > 0 && holdsFloats(type))
  const byDefault = nested ? wasm.EnabledStatistics.None : wasm.EnabledStatistics.Chunk
  let builder = new wasm.WriterPropertiesBuilder()
    .setCompression(wasm.Compression.SNAPPY)
    .setDictionaryEnabled(false)
    .setStatisticsEnabled(byDefault)
    .setMaxRowGroupBytes(rowGroupBytes)
    .setMaxRowGroupSize(rowGroupRows)
    .setCreatedBy('millrace')
  for (const name of dictionaryColumns(first)) builder = builder.setColumnDictionaryEnabled(name, true)
  for (const { name, type } of fields) {
    // bounds of raw bytes prune nothing and cost a pass; those of floats leave out NaN, which readers take for the greatest
    const bounded = !ArrowType.isBinary(type) && !ArrowType.isFloat(type)
    if (!bounded) builder = builder.setColumnStatisticsEnabled(name, wasm.EnabledStatistics.None)
    else if (nested && !(type.children?.length > 0))
      builder = builder.setColumnStatisticsEnabled(name, wasm.EnabledStatistics.Chunk)
  }
  return builder.build()
}

function holdsFloats(type: ArrowType): boolean {
  return ArrowType.isFloat(type) || (type.children ?? []).some((field) => holdsFloats(field.type))
}

function* slices(batch: RecordBatch): Generator<RecordBatch> {
  const parts = Math.max(1, Math.ceil(batch.data.byteLength / sliceBytes))
  const rows = Math.max(1, Math.ceil(batch.numRows / parts))
  for (let start = 0; start < batch.numRows; start += rows) yield batch.slice(start, start + rows)
}

interface Encoder {
  push(batch: RecordBatch): Promise<void>
  /** Size of the file in bytes. */
  finish(): Promise<number>
  abort(): Promise<void>
}

/** A stream of batches into the encoder, and its bytes into the file; either end's failure ends both. */
function startEncoder(file: FileHandle, properties: wasm.WriterProperties): Encoder {
  const { readable, writable } = new TransformStream<wasm.RecordBatch, wasm.RecordBatch>()
  const input = writable.getWriter()
  const pumped = pump(readable, properties, file)
  const failed = pumped.then(() => new Promise<never>(() => {}))
  failed.catch(() => {}) // reported by whoever waits on it: push or finish
  return {
    async push(batch) {
      const table = wasm.Table.fromIPCStream(ipcMessage(batch))
      try {
        for (const part of table.recordBatches()) await Promise.race([input.write(part), failed])
      } finally {
        table.free()
      }
    },
    async finish() {
      await Promise.race([input.close(), failed])
      return pumped
    },
    async abort() {
      await Promise.allSettled([input.abort(), pumped])
    },
  }
}

async function pump(
  batches: ReadableStream<wasm.RecordBatch>,
  properties: wasm.WriterProperties,
  file: FileHandle,
): Promise<number> {
  let sizeBytes = 0
  const encoded: ReadableStream<Uint8Array> = await wasm.transformParquetStream(batches, properties)
  for await (const bytes of encoded) {
    await file.writeFile(bytes)
    sizeBytes += bytes.length
  }
  return sizeBytes
}

function writeFailed(path: string, cause: unknown): MillraceError {
  const full = isSystemError(cause, 'ENOSPC', 'EDQUOT') ? 'the disk is full' : messageOf(cause)
  return new MillraceError('STORAGE_FAILED', `parquet file ${path} could not be written: ${full} (check the disk)`, {
    cause,
    retryable: isSystemError(cause),
  })
}

function readFailed(path: string, cause: unknown): MillraceError {
  return new MillraceError('TABLE_CORRUPT', `parquet file ${path} could not be read: ${messageOf(cause)}`, { cause })
}
