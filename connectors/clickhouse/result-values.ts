/** Values of a result in the form of `engine/readable.ts`, by ClickHouse's names of their types. Pure. */
import { timeTextOf } from '../../engine/readable.ts'

/** Whole numbers of any size as bigint; times as text with their microseconds; what JSON has no number for as a number. */
export function readValue(value: unknown, type: string): unknown {
  if (value === null || value === undefined) return null
  const [, name = type, inner = ''] = /^(\w+)\((.*)\)$/s.exec(type) ?? []
  switch (name) {
    case 'Nullable':
    case 'LowCardinality':
      return readValue(value, inner)
    case 'Array':
      return Array.isArray(value) ? value.map((each) => readValue(each, inner)) : value
    case 'Map':
      return readMap(value, partsOf(inner))
    case 'Tuple':
      return readTuple(value, partsOf(inner))
    case 'DateTime':
    case 'DateTime64':
      return timeTextOf(String(value), 'Z')
    case 'Float32':
    case 'Float64':
      return numberOf(value)
    default:
      return /^U?Int\d+$/.test(name) ? BigInt(String(value)) : value
  }
}

function numberOf(value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (value === 'nan' || value === '-nan') return Number.NaN
  return value.endsWith('inf') ? (value.startsWith('-') ? -Infinity : Infinity) : value
}

function readMap(value: unknown, [key = '', of = '']: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  return new Map(Object.entries(value).map(([name, each]) => [readValue(name, key), readValue(each, of)]))
}

/** One with names is an object, one without a list. */
function readTuple(value: unknown, parts: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((each, i) => readValue(each, parts[i] ?? ''))
  if (typeof value !== 'object' || value === null) return value
  const types = new Map(parts.map(namedPart))
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, readValue(each, types.get(name) ?? '')]))
}

/** `` `a b` Int64 `` or `a Int64`. */
function namedPart(part: string): readonly [name: string, type: string] {
  const quoted = /^`((?:[^`\\]|\\.)*)` (.*)$/s.exec(part)
  if (quoted !== null) return [quoted[1]!.replaceAll(/\\(.)/gs, '$1'), quoted[2]!]
  const space = part.indexOf(' ')
  return [part.slice(0, space), part.slice(space + 1)]
}

/** The parts between commas that are in no parentheses and no quotes. */
function partsOf(text: string): string[] {
  const parts: string[] = []
  let [depth, from] = [0, 0]
  for (const { 0: token, index } of text.matchAll(/`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'|[(),]/gs)) {
    if (token === '(') depth += 1
    else if (token === ')') depth -= 1
    else if (token === ',' && depth === 0) {
      parts.push(text.slice(from, index).trim())
      from = index + 1
    }
  }
  return [...parts, text.slice(from).trim()]
}
