/** Rules about the partition values of a file (PROTOCOL.md, "Partition Value Serialization"). */
import { parseTimestamp } from '../timestamp.ts'
import type { Report } from './finding.ts'
import type { TableView } from './metadata-rules.ts'
import { type Fields, fieldOf } from './raw-action.ts'
import type { LintField } from './table-schema.ts'

/** @param values of an action of that table, as it stands in the log */
export function checkPartitionValues(values: Fields, table: TableView, report: Report): void {
  if (table.fields === null) return
  const columns = new Map<string, LintField | undefined>()
  for (const column of table.partitionColumns) {
    const field = table.fields.find(({ path }) => path.length === 1 && path[0] === column)
    // with column mapping, files name their columns by physical names
    columns.set(field?.physicalPath[0] ?? column, field)
  }
  for (const [column, field] of columns) {
    if (!Object.hasOwn(values, column)) report('partition-keys', `partitionValues lacks ${column}`)
    else checkValue(column, fieldOf(values, column), field, report)
  }
  for (const key of Object.keys(values))
    if (!columns.has(key)) report('partition-keys', `partitionValues has ${key}, which is no partition column`)
}

function checkValue(column: string, value: unknown, field: LintField | undefined, report: Report): void {
  if (typeof value !== 'string' || value === '' || typeof field?.type !== 'string') return // empty is null
  if (!isOf(value, field.type))
    report('partition-value', `${column} is ${JSON.stringify(value)}, which is no ${field.type}`)
}

const bits: Readonly<Record<string, number>> = { byte: 8, short: 16, integer: 32, long: 64 }

function isOf(value: string, type: string): boolean {
  if (Object.hasOwn(bits, type))
    return /^[+-]?\d+$/.test(value) && BigInt.asIntN(bits[type]!, toBigInt(value)) === toBigInt(value)
  if (type.startsWith('decimal')) return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value)
  switch (type) {
    case 'float':
    case 'double':
      return /^[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$/.test(value)
    case 'boolean':
      return /^(true|false)$/i.test(value)
    case 'date':
      return /^[+-]?\d{4,}-\d\d-\d\d$/.test(value)
    case 'timestamp':
    case 'timestamp_ntz':
      return parseTimestamp(value) !== null
    default:
      return true
  }
}

function toBigInt(value: string): bigint {
  return BigInt(value.replace(/^\+/, ''))
}
