/** Whether a value of a document is as declared, exactly; and how it has to be written so that nobody rounds it. Pure. */
import type { DataType, DecimalType } from '../../engine/schema.ts'
import { parseDouble, parseInteger } from './fields.ts'
import { decodeString } from './scan.ts'
import { parseTimestamp } from './timestamp.ts'

/** `json`: the same value in the spelling that is to be read; without it the value is read as it stands. */
export type Judgement = { readonly ok: true; readonly json?: string } | { readonly ok: false; readonly found: string }

const fine: Judgement = { ok: true }

/** Judges the value in `bytes[start, end)`, which is JSON and not null, as one of a type. */
export function judgeValue(type: DataType, bytes: Buffer, start: number, end: number): Judgement {
  const json = kindOf(bytes[start]!)
  if (!wanted(type).includes(json)) return { ok: false, found: inWords(json, bytes, start, end) }
  if (json === 'number') return judgeNumber(type, bytes.toString('latin1', start, end))
  if (type === 'date') return judgeDate(decodeString(bytes, start, end))
  if (type === 'timestamp' || type === 'timestamp_ntz') return judgeTimestamp(decodeString(bytes, start, end))
  return fine
}

type JsonKind = 'string' | 'number' | 'boolean' | 'array' | 'object' | 'null'

/** What a value beginning with this byte is. */
export function kindOf(first: number): JsonKind {
  switch (first) {
    case 0x22:
      return 'string'
    case 0x5b:
      return 'array'
    case 0x7b:
      return 'object'
    case 0x74:
    case 0x66:
      return 'boolean'
    case 0x6e:
      return 'null'
    default:
      return 'number'
  }
}

function wanted(type: DataType): JsonKind {
  if (typeof type !== 'string')
    return { decimal: 'number', array: 'array', struct: 'object', map: 'object' }[type.kind] as JsonKind
  if (type === 'boolean') return 'boolean'
  return type in integerBits || type === 'double' || type === 'float' ? 'number' : 'string'
}

/** What was found, in words. */
export function inWords(kind: JsonKind, bytes: Buffer, start: number, end: number): string {
  switch (kind) {
    case 'string':
      return 'text'
    case 'array':
      return 'a list'
    case 'object':
      return 'an object'
    case 'boolean':
      return 'true or false'
    case 'null':
      return 'null'
    case 'number':
      return isLong(bytes.toString('latin1', start, end)) ? 'an integer' : notLong
  }
}

const notLong = 'a number that is no 64-bit integer'

/** Whole and within 64 bits, with a sign or without. */
function isLong(text: string): boolean {
  return (
    /^-?\d{1,20}$/.test(text) &&
    (BigInt.asIntN(64, BigInt(text)) === BigInt(text) || BigInt.asUintN(64, BigInt(text)) === BigInt(text))
  )
}

const integerBits: Readonly<Partial<Record<string, number>>> = { long: 64, integer: 32, short: 16, byte: 8 }

function judgeNumber(type: DataType, text: string): Judgement {
  if (typeof type !== 'string') return judgeDecimal(type as DecimalType, text)
  const bits = integerBits[type]
  if (bits !== undefined) {
    const value = parseInteger(text)
    if (value !== null && BigInt.asIntN(bits, value) === value) return fine
    return { ok: false, found: isLong(text) ? 'an integer that does not fit' : notLong }
  }
  const value = parseDouble(text)
  if (value === null || !Number.isFinite(type === 'float' ? Math.fround(value) : value)) return tooLarge(text)
  return fine
}

function tooLarge(text: string): Judgement {
  return { ok: false, found: `${shortened(text)}, which does not fit` }
}

/** A decimal is read from text, digit by digit. */
function judgeDecimal({ precision, scale }: DecimalType, text: string): Judgement {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!
  const digits = (whole! + fraction).replace(/^0+/, '')
  if (digits === '') return { ok: true, json: '"0"' }
  const trimmed = digits.replace(/0+$/, '')
  /** How many places the last digit stands behind the point. */
  const places = fraction.length - Number(exponent) - (digits.length - trimmed.length)
  const zeros = scale - places
  if (zeros < 0 || trimmed.length + zeros > precision) return tooLarge(text)
  const unscaled = (trimmed + '0'.repeat(zeros)).padStart(scale + 1, '0')
  const point = unscaled.length - scale
  return { ok: true, json: `"${sign}${unscaled.slice(0, point)}${scale === 0 ? '' : `.${unscaled.slice(point)}`}"` }
}

function judgeDate(text: string): Judgement {
  if (text === '') return fine
  const midnight = Buffer.from(`${text}T00:00:00Z`)
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text) && parseTimestamp(midnight, 0, midnight.length, instant) === null
  return isDate ? fine : { ok: false, found: quoted(text) }
}

const instant = { seconds: 0, micros: 0 }

/** Seconds and a zone may be missing, and a fraction may be finer than what is kept. */
function judgeTimestamp(text: string): Judgement {
  if (text === '') return fine
  const parts = /^(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?([Zz]|[+-]\d{2}(?::?\d{2})?)?$/.exec(text)
  if (parts === null) return { ok: false, found: quoted(text) }
  const whole = Buffer.from(`${parts[1]}${parts[2] ?? ':00'}${parts[3] ?? 'Z'}`)
  if (parseTimestamp(whole, 0, whole.length, instant) !== null) return { ok: false, found: quoted(text) }
  const date = new Date(instant.seconds * 1000)
  const year = date.getUTCFullYear()
  if (year < 1 || year > 9999) return { ok: false, found: quoted(text) }
  const seconds = date.toISOString().slice(0, 19)
  return { ok: true, json: `"${seconds}.${String(instant.micros).padStart(6, '0')}Z"` }
}

function quoted(text: string): string {
  return `"${shortened(text)}"`
}

/** At most 80 characters. */
function shortened(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80).toWellFormed()}`
}
