/** A file with the deletion vectors of a commit (PROTOCOL.md, "Deletion Vector File Storage Format"). */
import { crc32 } from 'node:zlib'
import type { DeletionVector } from '../actions.ts'
import { fileVersion } from './deletion-vector.ts'
import { printBitmap } from './roaring.ts'
import { encodeZ85 } from './z85.ts'

/** A file in the making: nothing of it is written anywhere. */
export interface VectorFile {
  /** Path in the table's folder. */
  readonly path: string
  /** Adds the vector of one data file: numbers of its deleted rows, ascending and each once, at least one. */
  add(rows: readonly number[]): DeletionVector
  bytes(): Buffer
}

/** @param uuid of the file */
export function vectorFile(uuid: string): VectorFile {
  const parts: Buffer[] = [Buffer.from([fileVersion])]
  const pathOrInlineDv = encodeZ85(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
  let offset = 1
  return {
    path: `deletion_vector_${uuid}.bin`,
    add(rows) {
      const bitmap = printBitmap(rows)
      const [size, checksum] = [Buffer.alloc(4), Buffer.alloc(4)]
      size.writeInt32BE(bitmap.length)
      checksum.writeUInt32BE(crc32(bitmap))
      parts.push(size, bitmap, checksum)
      const at = offset
      offset += bitmap.length + 8
      return {
        storageType: 'u',
        pathOrInlineDv,
        offset: at,
        sizeInBytes: bitmap.length,
        cardinality: BigInt(rows.length),
      }
    },
    bytes: () => Buffer.concat(parts),
  }
}
