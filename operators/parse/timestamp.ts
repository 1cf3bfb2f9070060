/** ISO 8601 date-times (RFC 3339 profile, basic offsets allowed) from bytes to UTC microseconds. */

/** Filled by {@link parseTimestamp}; one is used again and again, since a record should cost no object. */
export interface Instant {
  /** Whole seconds since 1970, rounded down. */
  seconds: number
  /** Microseconds in [0, 1e6). */
  micros: number
}

const notIso = 'is not ISO 8601 such as 2026-01-31T12:00:00Z'
const noZone = 'has no time zone (Z or an offset such as +02:00)'
const noDate = 'is not a date of the calendar'
const noTime = 'is not a time of the day'

/**
 * Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh[[:]mm])` in `bytes[start, end)` into `instant`; a space may stand for the
 * T. Null if it is one, else what is wrong with it. Digits past microseconds are cut off. A zone is required: without
 * one the instant depends on who reads it. Leap seconds (`:60`) are refused.
 */
export function parseTimestamp(bytes: Uint8Array, start: number, end: number, instant: Instant): string | null {
  if (end - start < 19 || !isShaped(bytes, start)) return notIso
  const year = digits(bytes, start, 4, end)
  const month = digits(bytes, start + 5, 2, end)
  const day = digits(bytes, start + 8, 2, end)
  const hour = digits(bytes, start + 11, 2, end)
  const minute = digits(bytes, start + 14, 2, end)
  const second = digits(bytes, start + 17, 2, end)
  if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0) return notIso
  if (year === 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return noDate
  if (hour > 23 || minute > 59 || second > 59) return noTime

  let at = start + 19
  instant.micros = 0
  if (at < end && bytes[at] === 0x2e) {
    const from = ++at
    for (let unit = 100_000; at < end && isDigit(bytes[at]!); at++, unit = Math.trunc(unit / 10))
      instant.micros += (bytes[at]! - 0x30) * unit
    if (at === from) return notIso
  }
  const offset = offsetSeconds(bytes, at, end)
  if (typeof offset === 'string') return offset
  instant.seconds = daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
  return null
}

function isShaped(bytes: Uint8Array, start: number): boolean {
  const separator = bytes[start + 10]
  return (
    bytes[start + 4] === 0x2d &&
    bytes[start + 7] === 0x2d &&
    bytes[start + 13] === 0x3a &&
    bytes[start + 16] === 0x3a &&
    (separator === 0x54 || separator === 0x74 || separator === 0x20)
  )
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

/** The number of `count` digits, or -1. */
function digits(bytes: Uint8Array, start: number, count: number, end: number): number {
  let value = 0
  for (let at = start; at < start + count; at++) {
    if (at >= end || !isDigit(bytes[at]!)) return -1
    value = value * 10 + bytes[at]! - 0x30
  }
  return value
}

function offsetSeconds(bytes: Uint8Array, at: number, end: number): number | string {
  if (at === end) return noZone
  const sign = bytes[at]
  const rest = end - at - 1
  if (sign === 0x5a || sign === 0x7a) return rest === 0 ? 0 : notIso
  if (sign !== 0x2b && sign !== 0x2d) return notIso
  const hours = digits(bytes, at + 1, 2, end)
  const colon = rest > 2 && bytes[at + 3] === 0x3a ? 1 : 0
  const minutes = rest === 2 ? 0 : rest === 4 + colon ? digits(bytes, at + 3 + colon, 2, end) : -1
  if (hours < 0 || minutes < 0) return notIso
  if (hours > 23 || minutes > 59) return noTime
  return (sign === 0x2d ? -1 : 1) * (hours * 3600 + minutes * 60)
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar, counted in eras of 400 years that begin in March. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
