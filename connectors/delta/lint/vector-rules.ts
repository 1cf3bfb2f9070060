/** Rules about a file's deletion vector, as far as the log holds it (PROTOCOL.md, "Deletion Vectors"). */
import { messageOf } from '../../../engine/errors.ts'
import type { DeletionVector } from '../actions.ts'
import { deletedRows, deletionVectorId, deletionVectorPath } from '../deletion-vectors/deletion-vector.ts'
import { int64 } from '../int64-json.ts'
import { isObject } from '../schema.ts'
import type { Report } from './finding.ts'
import { type Fields, fieldOf, textOf } from './raw-action.ts'

/** How many rows a file's deletion vector takes out: 0 without one, null if it does not say. */
export function cardinalityOf(file: Fields): bigint | null {
  const vector = fieldOf(file, 'deletionVector')
  return isObject(vector) ? int64(vector.cardinality) : 0n
}

/** What tells a file's deletion vector from others (PROTOCOL.md, "Derived Fields"); empty without one. */
export function vectorIdOf(file: Fields): string {
  const vector = fieldOf(file, 'deletionVector')
  return isObject(vector) ? deletionVectorId(typed(vector)) : ''
}

/** @param rows of the data file, null if it does not say */
export function checkVector(vector: Fields, rows: bigint | null, report: Report): void {
  const complaint = whatIsWrong(vector)
  if (complaint !== null) report('vector-malformed', complaint)
  else if (rows === null) report('vector-without-row-count', 'the stats have no numRecords')
  else if (int64(vector.cardinality)! > rows)
    report('vector-too-large', `${String(vector.cardinality)} rows of ${rows} are deleted`)
}

function whatIsWrong(fields: Fields): string | null {
  for (const name of ['storageType', 'pathOrInlineDv'])
    if (textOf(fields, name) === undefined) return `the deletion vector has no ${name}`
  for (const name of ['sizeInBytes', 'cardinality']) {
    const value = int64(fields[name])
    if (value === null || value < 0n) return `${name} of the deletion vector is ${String(fields[name])}`
  }
  const offset = fieldOf(fields, 'offset')
  if (offset !== undefined && (int64(offset) ?? -1n) < 0n) return `offset of the deletion vector is ${String(offset)}`
  const inline = fields.storageType === 'i'
  if (inline && offset !== undefined) return 'a deletion vector in the log itself has no offset'
  try {
    const vector = typed(fields)
    if (inline) deletedRows(vector, null)
    else deletionVectorPath(vector)
    return null
  } catch (error) {
    return messageOf(error)
  }
}

function typed(fields: Fields): DeletionVector {
  const offset = int64(fields.offset)
  return {
    storageType: textOf(fields, 'storageType') ?? '',
    pathOrInlineDv: textOf(fields, 'pathOrInlineDv') ?? '',
    sizeInBytes: Number(int64(fields.sizeInBytes) ?? 0n),
    cardinality: int64(fields.cardinality) ?? 0n,
    ...(offset === null ? {} : { offset: Number(offset) }),
  }
}
