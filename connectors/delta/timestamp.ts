/** Timestamps as file statistics write them. */

const year0 = Date.parse('0000-01-01T00:00:00Z')
const year10000 = Date.parse('+010000-01-01T00:00:00Z')

/**
 * `YYYY-MM-DDTHH:MM:SS.mmm`, with `Z` for an instant: microseconds since 1970, floored to milliseconds. Null outside
 * the years 0 to 9999, which other readers do not parse.
 */
export function printTimestamp(microseconds: bigint, type: 'timestamp' | 'timestamp_ntz'): string | null {
  const ms = floorDivide(microseconds, 1000n)
  if (ms < year0 || ms >= year10000) return null
  const text = new Date(Number(ms)).toISOString()
  return type === 'timestamp' ? text : text.slice(0, -1)
}

/** Microseconds since 1970, or null if the text is no timestamp. Without a zone it is taken as UTC. */
export function parseTimestamp(text: string): bigint | null {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?$/.exec(text)
  if (match === null) return null
  const [, date, time, fraction = '', zone = 'Z'] = match
  const ms = Date.parse(`${date}T${time}${zone}`)
  return Number.isNaN(ms) ? null : BigInt(ms) * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6))
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value % by < 0n ? quotient - 1n : quotient
}
