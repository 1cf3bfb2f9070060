import { type Data, Field, Int64, vectorFromArray } from 'apache-arrow'
import { expect, test } from 'vitest'
import { appendColumns, batchOf, tableOf } from './batch/arrow.ts'
import { type PlainRecord, recordTable } from './batch/record-table.ts'
import { deadLetters } from './dead-letter.ts'
import { deadLetterColumns, recordColumns } from './record.ts'

const record = (offset: bigint): PlainRecord => ({
  topic: 'movies',
  partition: 2,
  offset,
  timestampMicros: offset * 10n,
  key: null,
  value: Buffer.from(`v${offset}`),
  headers: [{ key: 'h', value: Buffer.from([1]) }],
})
const cause = { pipeline: 'bronze', step: 'parse' }
const idColumn: Data = vectorFromArray([1n, 2n], new Int64()).data[0]!

test('dead letters carry cause, position and bytes of exactly the rejected rows, over several batches', () => {
  const batches = [recordTable([record(0n), record(1n)]), recordTable([record(2n)]), recordTable([record(3n)])]
  const table = tableOf(batches.flatMap((part) => part.batches))
  const rejected = { rows: [1, 3], codes: ['EMPTY', 'NOT_JSON'], messages: ['m1', 'm3'] }
  const letters = deadLetters(table, rejected, cause)
  expect(letters.schema.fields.map(({ name }) => name)).toEqual(deadLetterColumns.map(({ name }) => name))
  expect(
    [...letters].map((row) => [row.pipeline, row.step, row.code, row.message, row.topic, row.partition, row.offset]),
  ).toEqual([
    ['bronze', 'parse', 'EMPTY', 'm1', 'movies', 2, 1n],
    ['bronze', 'parse', 'NOT_JSON', 'm3', 'movies', 2, 3n],
  ])
  expect([...letters].map((row) => Buffer.from(row.value).toString())).toEqual(['v1', 'v3'])
  expect(JSON.stringify([...letters][0]!.headers)).toContain('"h"')
})

test('the columns are the cause and those of a record', () => {
  expect(deadLetterColumns.slice(4)).toEqual(recordColumns)
  expect(deadLetterColumns.slice(0, 4).map(({ name, type }) => `${name} ${type}`)).toEqual([
    'pipeline string',
    'step string',
    'code string',
    'message string',
  ])
})

test('columns that the rows no longer have are null, and others are left out', () => {
  const rows = batchOf([new Field('offset', new Int64(), true)], [idColumn], 2)
  const extra = appendColumns(rows, [new Field('id', new Int64(), true)], [idColumn])
  const letters = deadLetters(tableOf([extra]), { rows: [1], codes: ['X'], messages: ['m'] }, cause)
  const [row] = [...letters]
  expect([row!.offset, row!.topic, row!.value, row!.headers]).toEqual([2n, null, null, null])
  expect(letters.schema.fields).toHaveLength(deadLetterColumns.length)
})

test('no rejected rows make a table without rows', () => {
  const letters = deadLetters(recordTable([record(0n)]), { rows: [], codes: [], messages: [] }, cause)
  expect([letters.numRows, letters.schema.fields.length]).toEqual([0, deadLetterColumns.length])
})
