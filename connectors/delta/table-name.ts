/** What tables of a lake may be called, and where they may lie. */
import type { ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
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

/** `CONFIG_INVALID` for a table that is to be made inside another, or around one: each would take the files of the other for its own. */
export async function assertNotNested(store: ObjectStore, table: string): Promise<void> {
  const other = (await tableAround(store, table)) ?? (await tableInside(store, table))
  if (other !== null) throw new MillraceError('CONFIG_INVALID', nestedProblem(table, other))
}

/** What is wrong with two tables of which one lies in the other. */
export function nestedProblem(table: string, other: string): string {
  const [inner, outer] = table.startsWith(`${other}/`) ? [table, other] : [other, table]
  return `table ${inner} would lie inside table ${outer}, which would take its files for its own (give one of them another path)`
}

async function tableAround(store: ObjectStore, table: string): Promise<string | null> {
  const parts = table.split('/')
  for (let i = 1; i < parts.length; i += 1) {
    const around = parts.slice(0, i).join('/')
    for await (const _ of store.list(`${around}/_delta_log/`)) return around
  }
  return null
}

async function tableInside(store: ObjectStore, table: string): Promise<string | null> {
  for await (const { key } of store.list(`${table}/`)) {
    const end = key.indexOf('/_delta_log/')
    if (end > table.length) return key.slice(0, end)
  }
  return null
}
