/** Why a document was rejected, in words. */
import { type Column, type DataType, formatType } from '../../engine/schema.ts'
import {
  caseWhen,
  coalesce,
  col,
  concat,
  eq,
  isNull,
  joinList,
  list,
  not,
  substring,
} from '../expressions/functions.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'
import { fieldFits, hidden, isText, type ParseOptions, shapedField, typeFits, typeFound } from './declared.ts'

/** `code` and `message` of a row that was not as declared. */
export function rejectionValues(options: ParseOptions): NamedExpression[] {
  const where = options.path.length === 0 ? 'the document' : `$.${options.path.join('.')}`
  const object = concat(`${where} is not an object: `, inWords(typeFound(0)))
  const invalid = `${options.from} is not`
  return [
    {
      name: 'code',
      value: caseWhen(
        [
          [col([hidden.dead]), 'TOMBSTONE_UNEXPECTED'],
          [isNull(col([hidden.types])), 'NOT_JSON'],
          [not(coalesce(eq(typeFound(0), 'OBJECT'), false)), 'NOT_AN_OBJECT'],
        ],
        'WRONG_TYPE',
      ),
    },
    {
      name: 'message',
      value: caseWhen(
        [
          [col([hidden.dead]), `${options.from} is null, and a tombstone is not expected here`],
          [isNull(col([hidden.text])), `${invalid} valid UTF-8`],
          [isNull(col([hidden.types])), `${invalid} valid JSON`],
          [not(coalesce(eq(typeFound(0), 'OBJECT'), false)), object],
        ],
        joinList(list(options.columns.map((column, i) => fieldMessage(options, column, i))), '; '),
      ),
    },
  ]
}

/** Null for a field that is as declared. */
function fieldMessage(options: ParseOptions, column: Column, i: number): Expression {
  const wanted = `field ${column.name}: wanted ${wantedInWords(column.type)}, found `
  const value = isText(column.type) ? quoted(shapedField(options, column.name)) : 'an integer that does not fit'
  return caseWhen([
    [not(typeFits(column, i)), concat(wanted, inWords(typeFound(i + 1)))],
    [not(fieldFits(options, column, i)), concat(wanted, value)],
  ])
}

function quoted(text: Expression): Expression {
  return concat('"', substring(text, 1, 80), '"')
}

function wantedInWords(type: DataType): string {
  if (type === 'date') return 'a date (YYYY-MM-DD, or empty)'
  if (isText(type)) return 'a timestamp (ISO 8601)'
  return formatType(type)
}

function inWords(found: Expression): Expression {
  const words = {
    VARCHAR: 'text',
    BIGINT: 'an integer',
    UBIGINT: 'an integer',
    DOUBLE: 'a number that is no 64-bit integer',
    BOOLEAN: 'true or false',
    ARRAY: 'a list',
    OBJECT: 'an object',
    NULL: 'null',
  }
  return caseWhen(
    Object.entries(words).map(([json, word]) => [eq(found, json), word] as const),
    'nothing',
  )
}
