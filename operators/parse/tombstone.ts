/** Records whose value is null: what their fields are then. */

import { isUtf8 } from 'node:buffer'
import { excerpt } from '../../engine/excerpt.ts'
import type { ParseFailure, Target } from './critical-document.ts'
import type { NamedField } from './fields.ts'
import type { FieldReader } from './readers.ts'
import type { Records } from './records.ts'

/** Sets the fields of a record without a value in `row` of the columns; null when it is accepted. */
export function readTombstone(
  { fields, readers }: Target,
  records: Records,
  record: number,
  row: number,
): ParseFailure | null {
  const expected = fields.some(({ tombstone }) => tombstone !== undefined)
  for (let i = 0; i < readers.length; i++) {
    const field = fields[i]!
    const failure = expected ? setTombstone(field, readers[i]!, records, record, row) : unexpected(field)
    if (failure !== null) return failure
  }
  return null
}

function unexpected(field: NamedField): ParseFailure {
  return {
    code: 'TOMBSTONE_UNEXPECTED',
    message: `value is null, and field ${field.name} does not say what it is then (give it a tombstone value)`,
  }
}

function setTombstone(
  field: NamedField,
  reader: FieldReader,
  records: Records,
  record: number,
  row: number,
): ParseFailure | null {
  const { tombstone } = field
  switch (tombstone?.kind) {
    case undefined:
      if (!field.optional) return unexpected(field)
      reader.setNull(row)
      return null
    case 'record-timestamp': {
      const micros = records.timestamp(record)
      if (micros === null) return unexpected(field)
      reader.setMicros(row, micros)
      return null
    }
    case 'constant':
      if (tombstone.value === null) reader.setNull(row)
      else reader.readText(row, Buffer.from(tombstone.value)) // checked when the field was defined
      return null
    case 'record-key':
      return setFromKey(field, reader, records.key(record), row)
  }
}

function setFromKey(field: NamedField, reader: FieldReader, key: Buffer | null, row: number): ParseFailure | null {
  const fail = (what: string): ParseFailure => ({
    code: 'TOMBSTONE_KEY_INVALID',
    message: `field ${field.name} is the record's key when the value is null: ${what} (byte 0 of the key)`,
  })
  if (key === null) return fail('the key is null')
  if (!isUtf8(key)) return fail('the key is not UTF-8')
  const failure = reader.readText(row, key)
  return failure === null ? null : fail(`${excerpt(key, 0, key.length)} ${failure.problem}`)
}
