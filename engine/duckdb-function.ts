/** Functions written in JavaScript that statements of DuckDB call: bytes in, text out, some thousand rows at a time. */
import { createRequire } from 'node:module'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Vector } from '@duckdb/node-bindings'

type Bindings = typeof import('@duckdb/node-bindings')

/**
 * `name(bytes, argument)` in SQL, where the argument is constant. The answer must depend on the two alone. It runs on
 * the thread that opened the database, while the statement waits in another. Null for null.
 */
export interface BytesFunction {
  readonly name: string
  /** What answers for rows, given the argument. Asked for once per batch of rows. */
  prepare(argument: string): BytesAnswer
}

/** The answer for the bytes in `[start, end)` of a buffer that may hold many rows. */
export type BytesAnswer = (bytes: Buffer, start: number, end: number) => string | null

/** Makes a function known to all connections of a database. Once for each database. */
export async function registerBytesFunction(connection: DuckDBConnection, wanted: BytesFunction): Promise<void> {
  const { BLOB, DuckDBScalarFunction, VARCHAR } = await import('@duckdb/node-api')
  // What the client itself calls, and so in the same version.
  const bindings = createRequire(import.meta.resolve('@duckdb/node-api'))('@duckdb/node-bindings') as Bindings
  const made = new DuckDBScalarFunction()
  made.setName(wanted.name)
  made.addParameter(BLOB)
  made.addParameter(VARCHAR)
  made.setReturnType(VARCHAR)
  // Not `setMainFunction`, whose vectors make several objects for each row.
  bindings.scalar_function_set_function(made.scalar_function, (_info, input, output) => {
    const rows = bindings.data_chunk_get_size(input)
    const argument: string[] = []
    eachCell(bindings, bindings.data_chunk_get_vector(input, 1), Math.min(rows, 1), (_row, bytes, start, end) =>
      argument.push(bytes.toString('utf8', start, end)),
    )
    const answer = wanted.prepare(argument[0] ?? '')
    const isSet = new Uint8Array(Math.ceil(rows / 64) * 8)
    eachCell(bindings, bindings.data_chunk_get_vector(input, 0), rows, (row, bytes, start, end) => {
      const text = answer(bytes, start, end)
      if (text === null) return
      bindings.vector_assign_string_element_len(output, row, Buffer.from(text))
      isSet[row >> 3]! |= 1 << (row & 7)
    })
    bindings.vector_ensure_validity_writable(output)
    bindings.copy_data_to_vector_validity(output, 0, isSet.buffer, 0, isSet.length)
  })
  connection.registerScalarFunction(made)
}

/** Bytes of a value in a vector: its length, then up to 12 bytes themselves, or a prefix and the address of all. */
const cellBytes = 16
const inlineBytes = 12
/** Between two addresses that are less than a page apart, all memory is there. */
const pageBytes = 4096
/** As much as is copied out at once, for values that lie behind one another. */
const runBytes = 4 * 2 ** 20

/** Calls `see` for every value that is not null. */
function eachCell(
  bindings: Bindings,
  vector: Vector,
  rows: number,
  see: (row: number, bytes: Buffer, start: number, end: number) => void,
): void {
  const data = bindings.vector_get_data(vector, rows * cellBytes)
  const cells = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const isSet = bindings.vector_get_validity(vector, Math.ceil(rows / 64) * 8) as Uint8Array | null
  const inline = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  let run = { bytes: inline, address: 0, endRow: 0 }
  for (let row = 0; row < rows; row++) {
    if (isSet && ((isSet[row >> 3]! >> (row & 7)) & 1) === 0) continue
    const at = row * cellBytes
    const length = cells.getUint32(at, true)
    if (length <= inlineBytes) {
      see(row, inline, at + 4, at + 4 + length)
      continue
    }
    if (row >= run.endRow) run = runFrom(bindings, cells, isSet, row)
    const start = addressAt(cells, at) - run.address
    see(row, run.bytes, start, start + length)
  }
}

/** Addresses have at most 57 bits in theory and 48 in use: a double holds them. */
function addressAt(cells: DataView, at: number): number {
  return cells.getUint32(at + 8, true) + cells.getUint32(at + 12, true) * 2 ** 32
}

/** The memory of the values from `row` on, as far as they lie behind one another. */
function runFrom(bindings: Bindings, cells: DataView, isSet: Uint8Array | null, row: number) {
  const address = addressAt(cells, row * cellBytes)
  let length = 0
  let next = row
  for (; next * cellBytes < cells.byteLength; next++) {
    const at = next * cellBytes
    const size = cells.getUint32(at, true)
    if (size <= inlineBytes || (isSet && ((isSet[next >> 3]! >> (next & 7)) & 1) === 0)) continue
    const gap = addressAt(cells, at) - address - length
    if (length > 0 && (gap < 0 || gap >= pageBytes || length + gap + size > runBytes)) break
    length += gap + size
  }
  const bytes = bindings.get_data_from_pointer(
    cells.buffer as ArrayBuffer,
    cells.byteOffset + row * cellBytes + 8,
    length,
  )
  return { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), address, endRow: next }
}
