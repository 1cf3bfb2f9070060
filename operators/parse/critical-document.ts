/** One record's document: scanned, judged, its fields read into columns; or why it is rejected. */
import { isUtf8 } from 'node:buffer'
import { excerpt } from '../../engine/excerpt.ts'
import type { NamedField } from './fields.ts'
import type { ScanFailure } from './kernel-memory.ts'
import type { Paths } from './paths.ts'
import type { FieldFailureCode, FieldReader } from './readers.ts'
import type { Records } from './records.ts'
import { halfPair, notUtf8, refused } from './refusals.ts'
import { kinds, type Scan } from './scan.ts'

/** Why a record was rejected; the code of its dead letter. */
export type ParseCode =
  | ScanFailure
  | FieldFailureCode
  | 'NOT_AN_OBJECT'
  | 'MISSING_FIELD'
  | 'DUPLICATE_FIELD'
  | 'TOMBSTONE_UNEXPECTED'

/** Why a record is rejected. */
export interface ParseFailure {
  readonly code: ParseCode
  /** Names the field, what was found and where. */
  readonly message: string
}

/** What a step looks for, and where it notes what it finds. */
export interface Target {
  readonly fields: readonly NamedField[]
  readonly paths: Paths
  readonly scan: Scan
  /** One per field, writing into the columns of the batch. */
  readonly readers: readonly FieldReader[]
}

/** Reads the document of a record into `row` of the columns; null when it is accepted. */
export function readDocument(
  { fields, paths, scan, readers }: Target,
  { bytes, offsets, allUtf8 }: Records,
  record: number,
  row: number,
): ParseFailure | null {
  const start = offsets[record]!
  const end = offsets[record + 1]!
  if (!scan.document(bytes, start, end)) return refused(scan, bytes, start, end)
  if (!allUtf8 && !isUtf8(bytes.subarray(start, end))) return notUtf8(bytes, start, end)
  if (scan.halfPairAt >= 0) return halfPairIn({ fields, paths, scan, readers }, bytes, start, row)
  if (scan.kinds[0] !== kinds.object)
    return { code: 'NOT_AN_OBJECT', message: `value is no JSON object: found ${excerpt(bytes, start, end)}` }
  if (scan.duplicate >= 0) return twice(paths, scan, bytes, start)
  for (let i = 0; i < readers.length; i++) {
    const slot = paths.fieldSlots[i]!
    const kind = scan.kinds[slot]!
    if (kind === kinds.absent || kind === kinds.null) {
      const failure = missing(paths, scan, slot, fields[i]!, bytes, start)
      if (failure !== null) return failure
      readers[i]!.setNull(row)
      continue
    }
    const [from, to] = [scan.starts[slot]!, scan.ends[slot]!]
    const failure = readers[i]!.read(row, kind, bytes, from, to)
    if (failure !== null)
      return { code: failure.code, message: found(fields[i]!, bytes, from, to, start, failure.problem) }
  }
  return null
}

/** Names the field, if it is one that holds the half of a surrogate pair. */
function halfPairIn({ fields, paths, scan, readers }: Target, bytes: Buffer, start: number, row: number): ParseFailure {
  const at = scan.halfPairAt
  for (const [i, reader] of readers.entries()) {
    const slot = paths.fieldSlots[i]!
    const [from, to] = [scan.starts[slot]!, scan.ends[slot]!]
    if (scan.kinds[slot] !== kinds.escaped || at < from || at >= to) continue
    const failure = reader.read(row, kinds.escaped, bytes, from, to)
    if (failure?.code === 'INVALID_UTF8')
      return { code: failure.code, message: found(fields[i]!, bytes, from, to, start, failure.problem) }
  }
  return halfPair(bytes, at, start)
}

function twice(paths: Paths, scan: Scan, bytes: Buffer, start: number): ParseFailure {
  const slot = scan.duplicate
  const second = excerpt(bytes, scan.starts[slot]!, scan.ends[slot]!)
  return {
    code: 'DUPLICATE_FIELD',
    message: `field ${paths.names[slot]} stands twice, so that readers would disagree: found ${second} (byte ${scan.starts[slot]! - start})`,
  }
}

/** Null if the field may be missing. */
function missing(
  paths: Paths,
  scan: Scan,
  slot: number,
  field: NamedField,
  bytes: Buffer,
  start: number,
): ParseFailure | null {
  let above = paths.parents[slot]!
  while (above > 0 && scan.kinds[above] === kinds.absent) above = paths.parents[above]!
  const kind = scan.kinds[above]!
  const [from, to] = [scan.starts[above]!, scan.ends[above]!]
  if (kind !== kinds.object && kind !== kinds.null)
    return {
      code: 'WRONG_TYPE',
      message: found({ ...field, path: paths.names[above]! }, bytes, from, to, start, 'is not an object'),
    }
  if (field.optional) return null
  const state = scan.kinds[slot] === kinds.null ? 'is null' : 'is missing'
  const at = (scan.kinds[slot] === kinds.null ? scan.starts[slot]! : from) - start
  return { code: 'MISSING_FIELD', message: `field ${field.name} (${field.path}) ${state} (byte ${at})` }
}

function found(field: NamedField, bytes: Buffer, from: number, to: number, start: number, problem: string): string {
  return `field ${field.name} (${field.path}): ${excerpt(bytes, from, to)} ${problem} (byte ${from - start})`
}
