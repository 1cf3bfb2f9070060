/**
 * How days, times and exact numbers are given to people and scripts, whatever store or table they come from: a day is `1999-01-01`, a point in time
 * `2020-01-01T00:00:00.123456Z`, a time without a zone the same without the Z, an exact fraction its digits as text. Pure.
 */

const dayMs = 86_400_000

/** A day, counted from 1970-01-01. Years before 0 and past 9999 have a sign and six digits, as in ISO 8601. */
export function dayText(days: number): string {
  return isoTime(days * dayMs, days < 0).replace(/T.*$/s, '')
}

/**
 * A time, in microseconds from the beginning of 1970; always with six digits of a second.
 * @param zone `Z` for a point in time, empty for a time of day that may be anywhere
 */
export function timeText(micros: bigint, zone: 'Z' | ''): string {
  const rest = ((micros % 1000n) + 1000n) % 1000n
  const iso = isoTime(Number((micros - rest) / 1000n), micros < 0n)
  return iso.endsWith('Z') ? `${iso.slice(0, -1)}${String(rest).padStart(3, '0')}${zone}` : iso
}

/** What JavaScript has no date for: engines use the ends of their range for infinity. */
function isoTime(ms: number, past: boolean): string {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) return past ? '-infinity' : 'infinity'
  return date.toISOString()
}

/** A time as a service writes it (`2020-01-01 00:00:00.5`, UTC), in the form of {@link timeText}. */
export function timeTextOf(written: string, zone: 'Z' | ''): string {
  const found = /^(\d+-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?/.exec(written)
  return found === null ? written : `${found[1]}T${found[2]}.${(found[3] ?? '').padEnd(6, '0')}${zone}`
}
