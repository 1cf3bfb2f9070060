/** Vectors out of DuckDB as the bytes that they are: a JavaScript number for each element would cost more than the query. */
import { createRequire } from 'node:module'
import type { DuckDBResult } from '@duckdb/node-api'

/** Some rows of a query of a text and a vector. */
export interface KeyedVectors {
  readonly keys: readonly string[]
  /** The vectors behind one another, in the order of the keys. They are the query's: to be copied before anything is waited for. */
  readonly vectors: Float32Array
}

/** The rows of a result whose first column is text and whose second is `FLOAT[n]`, neither of them null, some thousand at a time. */
export async function* keyedVectors(result: DuckDBResult): AsyncGenerator<KeyedVectors> {
  // What the client itself calls, and so in the same version.
  const bindings = createRequire(import.meta.resolve('@duckdb/node-api'))(
    '@duckdb/node-bindings',
  ) as typeof import('@duckdb/node-bindings')
  const type = result.columnType(1)
  if (!('length' in type) || typeof type.length !== 'number') throw new Error(`column 2 is ${type}, not FLOAT[n]`)
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    const elements = bindings.array_vector_get_child(bindings.data_chunk_get_vector(chunk.chunk, 1))
    const bytes = bindings.vector_get_data(elements, chunk.rowCount * type.length * Float32Array.BYTES_PER_ELEMENT)
    const length = bytes.byteLength / Float32Array.BYTES_PER_ELEMENT
    yield {
      keys: chunk.getColumnValues(0) as string[],
      vectors: new Float32Array(bytes.buffer, bytes.byteOffset, length),
    }
  }
}
