/** Records that are sent again: a topic keeps them by the time at which that is done, and a header says when they first were. */

/** Key of the header; its value is ISO 8601 in UTC with microseconds, `2026-03-07T00:00:00.123456Z`. */
export const firstTimeHeader = 'millrace-first-timestamp'

/** Microseconds since 1970 of the header's value; null for what is no such text. */
export function firstTimeMicros(value: Uint8Array): bigint | null {
  const parts = /^(.{1,32}\.\d{3})(\d{3})Z$/.exec(Buffer.from(value).toString('latin1'))
  const milliseconds = parts === null ? Number.NaN : Date.parse(`${parts[1]}Z`)
  return Number.isNaN(milliseconds) ? null : BigInt(milliseconds) * 1000n + BigInt(parts![2]!)
}
