/** How commands print data: aligned columns for people, JSON lines with `--json`. */
import { isUtf8 } from 'node:buffer'

/** One line of a printed table, or one JSON object; columns in the order of its keys. */
export type OutputRow = Readonly<Record<string, unknown>>

const widestCell = 48

/** Prints rows with the same columns; an empty result says so (as nothing at all in JSON). */
export function printRows(
  rows: readonly OutputRow[],
  options: { readonly json: boolean; readonly empty: string },
): void {
  if (options.json) for (const row of rows) console.log(toJson(row))
  else if (rows.length === 0) console.log(options.empty)
  else console.log(formatTable(rows))
}

/**
 * One line of JSON: int64 as numbers where exact, else as strings; bytes as text where they are UTF-8, else base64; `NaN` and infinities, which JSON
 * has no numbers for, as text.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(plain(value))
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value instanceof Uint8Array)
    return isUtf8(value) ? Buffer.from(value).toString('utf8') : { base64: Buffer.from(value).toString('base64') }
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, each]) => [String(key), plain(each)]))
  if (Array.isArray(value)) return value.map(plain)
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
  return value
}

function formatTable(rows: readonly OutputRow[]): string {
  const names = Object.keys(rows[0]!)
  const cells = rows.map((row) => names.map((name) => cell(row[name])))
  const widths = names.map((name, i) => Math.max(name.length, ...cells.map((line) => line[i]!.length)))
  const numeric = names.map((name) =>
    rows.every((row) => ['number', 'bigint', 'undefined'].includes(typeof row[name]) || row[name] === null),
  )
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => (numeric[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd()
  return [line(names), line(widths.map((width) => '─'.repeat(width))), ...cells.map(line)].join('\n')
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  const shown = plain(value)
  const text = (typeof shown === 'string' ? shown : JSON.stringify(shown)).replace(/[\s\p{Cc}]+/gu, ' ')
  return text.length <= widestCell ? text : `${text.slice(0, widestCell - 1)}…`
}
