/** What tables of a lake may be called. Pure. */
import { textThat } from '../../engine/shape.ts'

/** Folders inside a table that are the format's own (PROTOCOL.md): a table of such a name would be part of another. */
const reserved = new Set(['_delta_log', '_change_data'])

/** The name of a table: its path in the lake. */
export const tableName = textThat(
  'the path of a table in the lake, such as silver/movies (no empty part, none that begins with a dot, no _delta_log or _change_data)',
  isTableName,
)

/** Longest part of a path that file systems take, in bytes. */
const longestPart = 200

function isTableName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f\\]/.test(name)) return false
  const isPart = (part: string) => part !== '' && !part.startsWith('.') && Buffer.byteLength(part) <= longestPart
  return name.split('/').every((part) => isPart(part) && !reserved.has(part))
}

/** The tables of `others` that lie inside `table`, or around it. */
export function nestedWith(table: string, others: Iterable<string>): string[] {
  return [...others].filter((other) => other.startsWith(`${table}/`) || table.startsWith(`${other}/`))
}
