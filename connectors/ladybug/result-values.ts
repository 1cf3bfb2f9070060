/** Values of a result in the form of `engine/readable.ts`, by Ladybug's names of their types. The client gives days and times as dates. */
import { dayText, timeText } from '../../engine/readable.ts'

/** Type of a property of a label or relationship, as the store calls it; undefined if it is not known. */
export type PropertyTypes = (label: string, property: string) => string | undefined

/** Whether anything in a value is a date. */
export function holdsDate(value: unknown): boolean {
  if (value instanceof Date) return true
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsDate)
}

/** Labels of the nodes and types of the relationships in rows. */
export function labelsIn(rows: readonly object[]): ReadonlySet<string> {
  const labels = new Set<string>()
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    const { _label: label } = value as { readonly _label?: unknown }
    if (typeof label === 'string') labels.add(label)
    for (const each of Object.values(value)) look(each)
  }
  for (const row of rows) look(row)
  return labels
}

/** Rows with all days and times as text. Times have microseconds in the store, and milliseconds as the client gives them. */
export function readableRows<T extends Readonly<Record<string, unknown>>>(
  rows: readonly T[],
  types: ReadonlyMap<string, string>,
  properties: PropertyTypes,
): Readonly<Record<string, unknown>>[] {
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([column, value]) => [column, readableValue(value, types.get(column) ?? '', properties)]),
    ),
  )
}

function readableValue(value: unknown, type: string, types: PropertyTypes): unknown {
  if (value instanceof Date) return type === 'DATE' ? dayOf(value) : timeText(BigInt(value.getTime()) * 1000n, 'Z')
  if (Array.isArray(value)) return value.map((each) => readableValue(each, type.replace(/\[\d*\]$/, ''), types))
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const label = (value as { readonly _label?: unknown })._label
  const of = (name: string): string =>
    (typeof label === 'string' ? types(label, name) : undefined) ?? fieldType(type, name) ?? ''
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, readableValue(each, of(name), types)]))
}

function dayOf(date: Date): string {
  return dayText(Math.floor(date.getTime() / 86_400_000))
}

/** Of `STRUCT(a DATE, b DATE[])` the type of a field; of a map that of its values. */
function fieldType(type: string, field: string): string | undefined {
  const struct = /^STRUCT\((.*)\)$/s.exec(type)?.[1]
  if (struct === undefined) return /^MAP\([^,]*, (.*)\)$/s.exec(type)?.[1]
  const at = struct.search(new RegExp(`(?:^|, )${escaped(field)} `))
  return at < 0 ? undefined : /^(?:, )?\S+ (\w+(?:\[\d*\])?)/.exec(struct.slice(at))?.[1]
}

function escaped(text: string): string {
  return text.replaceAll(/[^\w]/g, '\\$&')
}
