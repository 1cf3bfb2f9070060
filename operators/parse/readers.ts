/** From a scanned value to a row of a typed column, per type of field; or why not. */
import type { Data } from 'apache-arrow'
import { type Field, parseDouble, parseInteger } from './fields.ts'
import { decodeString, kinds } from './scan.ts'
import { type Instant, parseTimestamp } from './timestamp.ts'
import {
  booleanColumn,
  doubleColumn,
  type LongColumn,
  longColumn,
  type TypedColumn,
  textColumn,
  timestampColumn,
} from './typed-columns.ts'

/** Codes of dead letters that a single field causes. */
export type FieldFailureCode =
  | 'WRONG_TYPE'
  | 'OUT_OF_RANGE'
  | 'NOT_ONE_OF'
  | 'INVALID_TIMESTAMP'
  | 'INVALID_UTF8'
  | 'TOMBSTONE_KEY_INVALID'

/** What is wrong with the value of a field. */
export interface FieldFailure {
  readonly code: FieldFailureCode
  /** Follows what was found: `is not a whole number of 64 bits`. */
  readonly problem: string
}

/** Reads one field of the records of a batch into its column. */
export interface FieldReader {
  /** A value of any kind but null; strings with their quotes. */
  read(row: number, kind: number, bytes: Buffer, start: number, end: number): FieldFailure | null
  /** The same from plain text, as keys and constants hold it. */
  readText(row: number, text: Buffer): FieldFailure | null
  /** Only of timestamps. */
  setMicros(row: number, micros: bigint): void
  setNull(row: number): void
  finish(rows: number): Data
}

/** A reader for a batch of at most `rows` records. */
export function openReader(field: Field, rows: number): FieldReader {
  const nullable = field.optional === true
  switch (field.type) {
    case 'int64':
      return int64Reader(longColumn(rows, nullable))
    case 'text':
      return textReader(rows, nullable)
    case 'one-of':
      return oneOfReader(field.values ?? [], rows, nullable)
    case 'timestamp':
      return timestampReader(field.unit, timestampColumn(rows, nullable))
    case 'float64':
      return float64Reader(rows, nullable)
    case 'boolean':
      return booleanReader(rows, nullable)
  }
}

const notInteger: FieldFailure = { code: 'WRONG_TYPE', problem: 'is not a whole number of 64 bits' }
const notText: FieldFailure = { code: 'WRONG_TYPE', problem: 'is not a string' }
const notNumber: FieldFailure = { code: 'WRONG_TYPE', problem: 'is not a number' }
const notBoolean: FieldFailure = { code: 'WRONG_TYPE', problem: 'is not true or false' }
const infinite: FieldFailure = { code: 'OUT_OF_RANGE', problem: 'is too large for a double' }
const halfPair: FieldFailure = { code: 'INVALID_UTF8', problem: 'holds half of a surrogate pair' }
const beyondCalendar: FieldFailure = { code: 'OUT_OF_RANGE', problem: 'is not in the years 1 to 9999' }

function common(column: TypedColumn): Pick<FieldReader, 'setMicros' | 'setNull' | 'finish'> {
  return { setMicros: () => {}, setNull: (row) => column.setNull(row), finish: (rows) => column.finish(rows) }
}

function int64Reader(column: LongColumn): FieldReader {
  return {
    ...common(column),
    read(row, kind, bytes, start, end) {
      if (kind !== kinds.number) return notInteger
      const value = shortInteger(bytes, start, end)
      if (Number.isNaN(value)) return setInteger(column, row, bytes.toString('latin1', start, end))
      column.setNumber(row, value)
      return null
    },
    readText: (row, text) => setInteger(column, row, text.toString('latin1')),
  }
}

/** A whole number of at most 15 digits, which a double holds exactly; NaN for any other JSON number. */
function shortInteger(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start] === 0x2d ? start + 1 : start
  if (end - first > 15) return Number.NaN
  let value = 0
  for (let at = first; at < end; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return first === start ? value : -value
}

function setInteger(column: LongColumn, row: number, text: string): FieldFailure | null {
  const value = parseInteger(text)
  if (value === null) return notInteger
  column.setBigint(row, value)
  return null
}

function textReader(rows: number, nullable: boolean): FieldReader {
  const column = textColumn(rows, nullable)
  return {
    ...common(column),
    read(row, kind, bytes, start, end) {
      if (kind === kinds.string) column.setBytes(row, bytes, start + 1, end - 1)
      else if (kind === kinds.escaped) {
        const text = decodeString(bytes, start, end)
        if (!text.isWellFormed()) return halfPair
        const encoded = Buffer.from(text)
        column.setBytes(row, encoded, 0, encoded.length)
      } else return notText
      return null
    },
    readText(row, text) {
      column.setBytes(row, text, 0, text.length)
      return null
    },
  }
}

function oneOfReader(values: readonly string[], rows: number, nullable: boolean): FieldReader {
  const column = textColumn(rows, nullable)
  const encoded = values.map((value) => Buffer.from(value))
  const none: FieldFailure = { code: 'NOT_ONE_OF', problem: `is not one of ${values.join(', ')}` }
  const choose = (row: number, bytes: Buffer, start: number, end: number): FieldFailure | null => {
    for (let i = 0; i < encoded.length; i++)
      if (sameBytes(encoded[i]!, bytes, start, end)) {
        column.setBytes(row, bytes, start, end)
        return null
      }
    return none
  }
  return {
    ...common(column),
    read(row, kind, bytes, start, end) {
      if (kind === kinds.string) return choose(row, bytes, start + 1, end - 1)
      if (kind !== kinds.escaped) return notText
      const text = Buffer.from(decodeString(bytes, start, end))
      return choose(row, text, 0, text.length)
    },
    readText: (row, text) => choose(row, text, 0, text.length),
  }
}

function sameBytes(expected: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (expected.length !== end - start) return false
  for (let i = 0; i < expected.length; i++) if (expected[i] !== bytes[start + i]) return false
  return true
}

function timestampReader(unit: Field['unit'], column: LongColumn): FieldReader {
  const instant: Instant = { seconds: 0, micros: 0 }
  const readIso = (row: number, bytes: Buffer, start: number, end: number): FieldFailure | null => {
    const problem = parseTimestamp(bytes, start, end, instant)
    if (problem !== null) return { code: 'INVALID_TIMESTAMP', problem }
    setInstant(column, row, instant)
    return null
  }
  const perUnit = unit === 's' ? 1e6 : 1e3 // microseconds
  const setEpoch = (row: number, value: number): FieldFailure | null => {
    if (!(value >= firstSecond * (1e6 / perUnit) && value < endSecond * (1e6 / perUnit))) return beyondCalendar
    const whole = Math.floor(value)
    const fraction = Math.round((value - whole) * perUnit)
    const micros = whole * perUnit + fraction
    if (Number.isSafeInteger(micros)) column.setNumber(row, micros)
    else column.setBigint(row, BigInt(whole) * BigInt(perUnit) + BigInt(fraction))
    return null
  }
  const readEpoch = (row: number, bytes: Buffer, start: number, end: number): FieldFailure | null => {
    const value = shortInteger(bytes, start, end)
    return setEpoch(row, Number.isNaN(value) ? Number(bytes.toString('latin1', start, end)) : value)
  }
  const expected: FieldFailure = unit === undefined ? notText : notNumber
  return {
    ...common(column),
    setMicros: (row, micros) => column.setBigint(row, micros),
    read(row, kind, bytes, start, end) {
      if (unit !== undefined) return kind === kinds.number ? readEpoch(row, bytes, start, end) : expected
      if (kind === kinds.string) return readIso(row, bytes, start + 1, end - 1)
      if (kind !== kinds.escaped) return expected
      const text = Buffer.from(decodeString(bytes, start, end))
      return readIso(row, text, 0, text.length)
    },
    readText(row, text) {
      if (unit === undefined) return readIso(row, text, 0, text.length)
      const value = parseDouble(text.toString('latin1'))
      return value === null ? notNumber : setEpoch(row, value)
    },
  }
}

/** 0001-01-01T00:00:00Z, and the second after the year 9999. */
const firstSecond = -62_135_596_800
const endSecond = 253_402_300_800

function setInstant(column: LongColumn, row: number, { seconds, micros }: Instant): void {
  const total = seconds * 1e6 + micros
  if (Number.isSafeInteger(total)) column.setNumber(row, total)
  else column.setBigint(row, BigInt(seconds) * 1_000_000n + BigInt(micros))
}

function float64Reader(rows: number, nullable: boolean): FieldReader {
  const column = doubleColumn(rows, nullable)
  const set = (row: number, value: number): FieldFailure | null => {
    if (!Number.isFinite(value)) return infinite
    column.set(row, value)
    return null
  }
  return {
    ...common(column),
    read: (row, kind, bytes, start, end) =>
      kind === kinds.number ? set(row, Number(bytes.toString('latin1', start, end))) : notNumber,
    readText(row, text) {
      const value = parseDouble(text.toString('latin1'))
      return value === null ? notNumber : set(row, value)
    },
  }
}

function booleanReader(rows: number, nullable: boolean): FieldReader {
  const column = booleanColumn(rows, nullable)
  return {
    ...common(column),
    read(row, kind) {
      if (kind !== kinds.true && kind !== kinds.false) return notBoolean
      column.set(row, kind === kinds.true)
      return null
    },
    readText(row, text) {
      const word = text.toString('latin1')
      if (word !== 'true' && word !== 'false') return notBoolean
      column.set(row, word === 'true')
      return null
    },
  }
}
