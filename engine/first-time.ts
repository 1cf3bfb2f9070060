/** Records that are sent again: a topic keeps them by the time at which that is done, and a header says when they first were. */

/** Key of the header; its value is ISO 8601 in UTC with microseconds, `2026-03-07T00:00:00.123456Z`; years before 0 and after 9999 as they are. */
export const firstTimeHeader = 'millrace-first-timestamp'

/** Microseconds since 1970 of the header's value, for every time that microseconds hold; null for what is no such text. */
export function firstTimeMicros(value: Uint8Array): bigint | null {
  const parts = /^(-?\d{1,6})(-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})(\d{3})Z$/.exec(Buffer.from(value).toString('latin1'))
  if (parts === null) return null
  const [year, rest, micros] = [Number(parts[1]), parts[2]!, BigInt(parts[3]!)]
  const near = 2000 + (((year % 400) + 400) % 400) // a year of the same calendar that a Date of JavaScript holds
  const milliseconds = Date.parse(`${near}${rest}Z`)
  if (Number.isNaN(milliseconds)) return null
  return (BigInt(milliseconds) + BigInt((year - near) / 400) * calendarMs) * 1000n + micros
}

/** The calendar repeats itself after 400 years. */
const calendarMs = 146_097n * 86_400_000n
