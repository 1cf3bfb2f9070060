/** Spans of time as people write them: `90s`, `15m`, `2h`. */

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of `250ms`, `90s`, `1.5m`, `2h` or `1d`; null for anything else. A number alone is none: its unit is unclear. */
export function parseDuration(text: string): number | null {
  const found = /^(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)$/.exec(text.trim())
  return found === null ? null : Math.round(Number(found[1]) * units[found[2]!]!)
}

/** The same for messages, rounded to what matters: `850 ms`, `12 s`, `15 min`, `2.5 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return `${Math.round(ms / 360_000) / 10} h`
}
