/** Results as every graph store gives them: plain values, days and times as `engine/readable.ts` has them. */
import {
  type DateTime,
  type Date as Day,
  isDate,
  isDateTime,
  isLocalDateTime,
  isNode,
  isPath,
  isRelationship,
  type LocalDateTime,
  type Node,
  type Path,
  type Relationship,
} from 'neo4j-driver'
import { dayText, timeText } from '../../engine/readable.ts'
import type { GraphRow } from '../graph/store.ts'
import type { ResultRow } from './client.ts'

/** Whole numbers of a column are bigint; inside of nodes and lists only where they are beyond 2^53. */
export function plainRow(row: ResultRow): GraphRow {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, typeof value === 'bigint' ? value : plain(value)]),
  )
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  if (isNode(value)) return plainNode(value as unknown as Node<bigint>)
  if (isRelationship(value)) return plainRelationship(value as unknown as Relationship<bigint>)
  if (isPath(value)) return plainPath(value as unknown as Path<bigint>)
  if (isDate(value)) return dayText(daysOf(value as unknown as Day<bigint>))
  if (isDateTime(value)) return timeOf(value as unknown as DateTime<bigint>)
  if (isLocalDateTime(value)) return timeText(microsOf(value as unknown as LocalDateTime<bigint>), '')
  if (Object.getPrototypeOf(value) !== Object.prototype) return String(value) // durations, points and the like
  return plainProperties(value)
}

function plainProperties(value: object): object {
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
}

function plainNode({ properties, labels, elementId }: Node<bigint>): object {
  return { ...plainProperties(properties), _label: labels.join(':'), _id: elementId }
}

function plainRelationship(relationship: Relationship<bigint>): object {
  const { properties, type, elementId, startNodeElementId, endNodeElementId } = relationship
  return {
    ...plainProperties(properties),
    _label: type,
    _id: elementId,
    _src: startNodeElementId,
    _dst: endNodeElementId,
  }
}

function plainPath({ start, segments }: Path<bigint>): object {
  return {
    nodes: [start, ...segments.map(({ end }) => end)].map((node) => plainNode(node)),
    relationships: segments.map(({ relationship }) => plainRelationship(relationship)),
  }
}

/** A point in time, whatever zone it was given in. */
function timeOf(value: DateTime<bigint>): string {
  return timeText(microsOf(value) - (value.timeZoneOffsetSeconds ?? 0n) * 1_000_000n, 'Z')
}

function microsOf({ hour, minute, second, nanosecond, ...day }: LocalDateTime<bigint> | DateTime<bigint>): bigint {
  const seconds = BigInt(daysOf(day)) * 86_400n + (hour * 60n + minute) * 60n + second
  return seconds * 1_000_000n + nanosecond / 1000n
}

function daysOf({ year, month, day }: Pick<Day<bigint>, 'year' | 'month' | 'day'>): number {
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  return Math.round(date.getTime() / 86_400_000)
}
