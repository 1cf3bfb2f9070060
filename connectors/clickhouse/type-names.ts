/** Our types from their names, as the comments of columns hold them. Pure. */
import { MillraceError } from '../../engine/errors.ts'
import { type DataType, isPrimitive } from '../../engine/schema.ts'

/**
 * The type that `formatType` wrote.
 * @throws MillraceError `TABLE_UNSUPPORTED` for a text that it did not write, or that has two readings
 */
export function parseType(text: string): DataType {
  const reader = { text, at: 0 }
  const type = readType(reader)
  if (type === null || reader.at !== text.length)
    throw new MillraceError(
      'TABLE_UNSUPPORTED',
      `olap column type ${text} is none that we know (name its fields with letters and digits)`,
    )
  return type
}

interface Reader {
  readonly text: string
  at: number
}

function readType(reader: Reader): DataType | null {
  const word = take(reader, /[a-z_]+/y)
  if (word === 'decimal') {
    const [, precision, scale] = /^\((\d+),(\d+)\)$/.exec(take(reader, /\(\d+,\d+\)/y)) ?? []
    return precision === undefined ? null : { kind: 'decimal', precision: Number(precision), scale: Number(scale) }
  }
  if (isPrimitive(word)) return word
  if (take(reader, /</y) === '') return null
  const type =
    word === 'array'
      ? readArray(reader)
      : word === 'map'
        ? readMap(reader)
        : word === 'struct'
          ? readStruct(reader)
          : null
  return take(reader, />/y) === '' ? null : type
}

function readArray(reader: Reader): DataType | null {
  const element = readType(reader)
  return element === null ? null : { kind: 'array', element }
}

function readMap(reader: Reader): DataType | null {
  const key = readType(reader)
  take(reader, /, /y)
  const value = readType(reader)
  return key === null || value === null ? null : { kind: 'map', key, value }
}

function readStruct(reader: Reader): DataType | null {
  const fields: { name: string; type: DataType }[] = []
  do {
    const name = take(reader, /[^:,<>]+(?=: )/y)
    take(reader, /: /y)
    const type = readType(reader)
    if (name === '' || type === null) return null
    fields.push({ name, type })
  } while (take(reader, /, /y) !== '')
  return { kind: 'struct', fields }
}

/** What matches where the reader stands, which it then is behind; empty for nothing. */
function take(reader: Reader, pattern: RegExp): string {
  pattern.lastIndex = reader.at
  const found = pattern.exec(reader.text)?.[0] ?? ''
  reader.at += found.length
  return found
}
