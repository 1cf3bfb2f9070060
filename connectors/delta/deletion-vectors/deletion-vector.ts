/** The deleted rows of a data file (PROTOCOL.md, "Deletion Vectors"). */
import { crc32 } from 'node:zlib'
import { MillraceError, messageOf } from '../../../engine/errors.ts'
import type { DeletionVector } from '../actions.ts'
import { parseBitmap } from './roaring.ts'
import { decodeZ85 } from './z85.ts'

/** Format of the files that hold deletion vectors. */
export const fileVersion = 1
const uuidCharacters = 20

/**
 * What tells one deletion vector from another (PROTOCOL.md, "Derived Fields", `uniqueId`); empty without one, so that path
 * and this together are a logical file.
 */
export function deletionVectorId(vector: DeletionVector | undefined): string {
  if (vector === undefined) return ''
  const { storageType, pathOrInlineDv, offset } = vector
  return `${storageType}${pathOrInlineDv}${offset === undefined ? '' : `@${offset}`}`
}

/** Path of the file that holds a vector, as a data file's: relative to the table, percent-encoded. Null: it is inline. */
export function deletionVectorPath({ storageType, pathOrInlineDv }: DeletionVector): string | null {
  switch (storageType) {
    case 'i':
      return null
    case 'p':
      return pathOrInlineDv
    case 'u':
      return relativePath(pathOrInlineDv)
    default:
      throw corrupt(`is stored in a way that we do not know: ${storageType}`)
  }
}

/**
 * Numbers of the deleted rows of a file, from 0, ascending; `file` is the whole file that {@link deletionVectorPath} names.
 * `TABLE_CORRUPT` if it is damaged, or does not hold what the log says.
 */
export function deletedRows(vector: DeletionVector, file: Uint8Array | null): number[] {
  const bitmap = file === null ? inlineBitmap(vector) : bitmapInFile(vector, Buffer.from(file))
  const rows = parse(bitmap, vector.cardinality)
  if (BigInt(rows.length) !== vector.cardinality)
    throw corrupt(`has ${rows.length} rows where the log says ${vector.cardinality}`)
  return rows
}

function relativePath(text: string): string {
  const prefix = text.slice(0, -uuidCharacters)
  const uuid = decodeZ85(text.slice(-uuidCharacters))?.toString('hex')
  if (uuid?.length !== 32) throw corrupt('has a path that is no encoded UUID')
  const dashed = uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return `${prefix === '' ? '' : `${encodeURIComponent(prefix)}/`}deletion_vector_${dashed}.bin`
}

function inlineBitmap({ pathOrInlineDv, sizeInBytes }: DeletionVector): Buffer {
  const decoded = decodeZ85(pathOrInlineDv)
  if (decoded === null || decoded.length < sizeInBytes) throw corrupt('is no encoded bitmap')
  return decoded.subarray(0, sizeInBytes)
}

function bitmapInFile({ offset = 1, sizeInBytes }: DeletionVector, file: Buffer): Buffer {
  if (file[0] !== fileVersion) throw corrupt(`is in a file of version ${file[0]}, and only ${fileVersion} is known`)
  const start = offset + 4
  const end = start + sizeInBytes
  if (end + 4 > file.length) throw corrupt('lies behind the end of its file')
  if (file.readInt32BE(offset) !== sizeInBytes) throw corrupt('is of another size than the log says')
  const bitmap = file.subarray(start, end)
  if (crc32(bitmap) !== file.readUInt32BE(end)) throw corrupt('does not have its checksum')
  return bitmap
}

function parse(bitmap: Buffer, cardinality: bigint): number[] {
  try {
    return parseBitmap(bitmap, Number(cardinality))
  } catch (cause) {
    throw corrupt(messageOf(cause), cause)
  }
}

function corrupt(what: string, cause?: unknown): MillraceError {
  return new MillraceError('TABLE_CORRUPT', `deletion vector ${what} (restore the file from a copy)`, { cause })
}
