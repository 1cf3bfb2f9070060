/** Rules about the `stats` of a file (PROTOCOL.md, "Per-file Statistics"). */
import { messageOf } from '../../../engine/errors.ts'
import { int64, parseJson } from '../int64-json.ts'
import { isObject } from '../schema.ts'
import { parseTimestamp } from '../timestamp.ts'
import type { Report } from './finding.ts'
import { keyTwice } from './json-keys.ts'
import { pathKey, type TableView } from './metadata-rules.ts'
import { type Fields, objectOf } from './raw-action.ts'
import type { LintField } from './table-schema.ts'

/** Checks statistics; gives how many rows they say the file has, deleted ones included, or null. */
export function checkStatistics(text: string, table: TableView | null, report: Report): bigint | null {
  let stats: unknown
  try {
    stats = parseJson(text)
  } catch (error) {
    report('stats-malformed', `stats are not JSON: ${messageOf(error)}`)
    return null
  }
  if (!isObject(stats)) {
    report('stats-malformed', 'stats are no object')
    return null
  }
  const twice = keyTwice(text)
  if (twice !== null) report('key-twice', `stats have the key ${twice} twice`)
  const rows = countOf(stats.numRecords, 'numRecords', report)
  const nulls = leavesOf(stats, 'nullCount', table, report)
  const [minima, maxima] = [leavesOf(stats, 'minValues', table, report), leavesOf(stats, 'maxValues', table, report)]
  // with wide bounds, a count that is neither none nor all carries no information
  for (const [column, { value }] of nulls)
    checkNulls(printed(column), value, stats.tightBounds === false ? null : rows, report)
  for (const [column, { value, field }] of minima)
    if (!isAllNull(nulls.get(column)?.value, rows) && isAbove(value, maxima.get(column)?.value, field))
      report('stats-bounds', `column ${printed(column)} has the minimum ${String(value)} above its maximum`)
  return rows
}

function countOf(value: unknown, what: string, report: Report): bigint | null {
  if (value === undefined || value === null) return null
  const count = int64(value)
  if (count !== null && count >= 0n) return count
  report('stats-malformed', `${what} is ${String(value)}`)
  return null
}

function checkNulls(column: string, value: unknown, rows: bigint | null, report: Report): void {
  const nulls = countOf(value, `nullCount of ${column}`, report)
  if (nulls !== null && rows !== null && nulls > rows)
    report('stats-null-count', `column ${column} has ${nulls} nulls in ${rows} rows`)
}

/** Then bounds carry no information. */
function isAllNull(nulls: unknown, rows: bigint | null): boolean {
  return rows !== null && int64(nulls) === rows
}

interface Leaf {
  readonly value: unknown
  /** Undefined where the schema is not known. */
  readonly field: LintField | undefined
}

/** By path; columns that the table does not have are reported, once each. */
function leavesOf(stats: Fields, name: string, table: TableView | null, report: Report): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>()
  const values = stats[name]
  if (values !== undefined && values !== null && !isObject(values)) report('stats-malformed', `${name} is no object`)
  const known = table?.fields == null ? null : table.byPhysicalPath
  const walk = (inner: Fields, prefix: readonly string[]): void => {
    for (const [column, value] of Object.entries(inner)) {
      if (value === null) continue
      const path = [...prefix, column]
      const field = known?.get(pathKey(path))
      if (known !== null && field === undefined) report('stats-column', `${name} has the column ${path.join('.')}`)
      else if (isObject(value)) walk(value, path)
      else leaves.set(pathKey(path), { value, field })
    }
  }
  walk(objectOf(stats, name), [])
  return leaves
}

function printed(key: string): string {
  return key.replaceAll('\0', '.')
}

/** False for what cannot be compared: some writers print NaN and infinity as texts. */
function isAbove(min: unknown, max: unknown, field: LintField | undefined): boolean {
  if (typeof min === 'string' && typeof max === 'string') {
    if (field?.type === 'timestamp' || field?.type === 'timestamp_ntz') {
      const [from, to] = [parseTimestamp(min), parseTimestamp(max)]
      return from !== null && to !== null && from > to
    }
    return field?.type === 'string' || field?.type === 'date'
      ? Buffer.compare(Buffer.from(min), Buffer.from(max)) > 0
      : false
  }
  return isNumber(min) && isNumber(max) && min > max
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}
