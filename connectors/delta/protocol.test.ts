import { expect, test } from 'vitest'
import type { MetaData, Protocol } from './actions.ts'
import { createActions } from './create.ts'
import { assertAppendOnly, assertReadable, assertWritable, protocolFor } from './protocol.ts'
import { printSchema } from './schema.ts'
import { addAction, removeAction } from './tables.testing.ts'

function meta(configuration: Record<string, string> = {}, field: object = {}): MetaData {
  const schema = { type: 'struct', fields: [{ name: 'id', type: 'long', nullable: true, metadata: {}, ...field }] }
  return {
    id: 'x',
    format: { provider: 'parquet', options: {} },
    schemaString: JSON.stringify(schema),
    partitionColumns: [],
    configuration,
  }
}
function features(readerFeatures: readonly string[], writerFeatures: readonly string[]): Protocol {
  return { minReaderVersion: readerFeatures.length > 0 ? 3 : 1, minWriterVersion: 7, readerFeatures, writerFeatures }
}
const unsupported = (words: string) =>
  expect.objectContaining({ code: 'TABLE_UNSUPPORTED', message: expect.stringContaining(words) })

test.each([1, 2, 3, 4])('tables of reader version 1 and writer version %i are read and written', (minWriterVersion) => {
  const protocol = { minReaderVersion: 1, minWriterVersion }
  assertReadable('t', protocol)
  assertWritable('t', protocol, meta({ 'delta.enableChangeDataFeed': 'true', 'delta.columnMapping.mode': 'none' }))
})

test('every unknown reader feature is named', () => {
  const table = features(['deletionVectors', 'variantType', 'fromTheFuture'], ['variantType', 'fromTheFuture'])
  expect(() => assertReadable('t', table)).toThrowError(
    unsupported('cannot be read: it uses variantType, fromTheFuture'),
  )
  expect(() => assertReadable('t', { minReaderVersion: 99, minWriterVersion: 7 })).toThrowError(
    unsupported('needs reader version 99'),
  )
})

test('a table with an unknown writer feature is read but not written', () => {
  const protocol = features([], ['appendOnly', 'rowTracking', 'domainMetadata'])
  assertReadable('t', protocol)
  expect(() => assertWritable('t', protocol, meta())).toThrowError(unsupported('rowTracking, domainMetadata'))
  assertWritable('t', { minReaderVersion: 1, minWriterVersion: 6 }, meta()) // it has no identity column
  const identity = meta({}, { metadata: { 'delta.identity.start': 1 } })
  expect(() => assertWritable('t', { minReaderVersion: 1, minWriterVersion: 6 }, identity)).toThrowError(
    unsupported('identity column id'),
  )
  expect(() => assertWritable('t', { minReaderVersion: 1, minWriterVersion: 8 }, meta())).toThrowError(
    unsupported('needs writer version 8'),
  )
})

test('features whose rules are not in use do not stop a writer', () => {
  assertWritable(
    't',
    features([], ['appendOnly', 'invariants', 'checkConstraints', 'generatedColumns', 'changeDataFeed']),
    meta(),
  )
  assertWritable(
    't',
    features(['timestampNtz', 'vacuumProtocolCheck'], ['timestampNtz', 'vacuumProtocolCheck']),
    meta(),
  )
})

test.each([
  ['check constraint odd', meta({ 'delta.constraints.odd': 'my_function(id)' })],
  ['invariant of column id', meta({}, { metadata: { 'delta.invariants': '{"expression":{}}' } })],
  ['generated column id', meta({}, { metadata: { 'delta.generationExpression': 'x + 1' } })],
  ['identity column id', meta({}, { metadata: { 'delta.identity.start': 1 } })],
  [
    'not-null constraint inside column id',
    meta({}, { type: { type: 'array', elementType: 'long', containsNull: false } }),
  ],
  ['column id of the type void', meta({}, { type: 'void' })],
  [
    'length of column id (array<varchar(3)>)',
    meta(
      {},
      {
        type: { type: 'array', elementType: 'string', containsNull: true },
        metadata: { __CHAR_VARCHAR_TYPE_STRING: 'array<varchar(3)>' },
      },
    ),
  ],
  ['column mapping name', meta({ 'delta.columnMapping.mode': 'name' })],
  ['timestamp_ntz', meta({}, { type: { type: 'array', elementType: 'timestamp_ntz', containsNull: true } })],
])('a table with an active %s is not written', (what, metaData) => {
  expect(() => assertWritable('t', { minReaderVersion: 1, minWriterVersion: 4 }, metaData)).toThrowError(
    unsupported(what),
  )
})

test('constraints that can be judged do not stop a writer', () => {
  const rules = { 'delta.constraints.positive': 'id > 0' }
  const invariant = { 'delta.invariants': '{"expression":{"expression":"id < 9"}}' }
  assertWritable(
    't',
    { minReaderVersion: 1, minWriterVersion: 3 },
    meta(rules, { nullable: false, metadata: invariant }),
  )
})

test('an append-only table loses no rows', () => {
  const metaData = meta({ 'delta.appendOnly': 'true' })
  assertAppendOnly('t', metaData, [addAction('a'), removeAction('b', false)])
  expect(() => assertAppendOnly('t', metaData, [removeAction('b')])).toThrowError(unsupported('append-only'))
  assertAppendOnly('t', meta(), [removeAction('b')])
})

test('new tables get the least protocol that they need', () => {
  const of = (type: 'long' | 'timestamp_ntz', configuration = {}) =>
    protocolFor({ ...meta(configuration), schemaString: printSchema([{ name: 'a', type }]) })
  expect(of('long')).toEqual({ minReaderVersion: 1, minWriterVersion: 2 })
  expect(of('long', { 'delta.enableChangeDataFeed': 'true' })).toEqual({ minReaderVersion: 1, minWriterVersion: 4 })
  const rules = { 'delta.constraints.positive': 'a > 0' }
  expect(of('long', rules)).toEqual({ minReaderVersion: 1, minWriterVersion: 3 })
  expect(of('long', { ...rules, 'delta.enableDeletionVectors': 'true' })).toMatchObject({
    writerFeatures: ['appendOnly', 'invariants', 'checkConstraints', 'deletionVectors'],
  })
  expect(of('timestamp_ntz')).toMatchObject({
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: ['timestampNtz'],
  })
})

test('columns that readers could not name or tell apart make no table', () => {
  const create =
    (...names: string[]) =>
    () =>
      createActions({ columns: names.map((name) => ({ name, type: 'long' })), changeFeed: true, id: 'x', nowMs: 0 })
  for (const names of [['a', 'A'], ['a b'], [''], []])
    expect(create(...names)).toThrowError(expect.objectContaining({ code: 'SCHEMA_MISMATCH' }))
  expect(create('a', 'Größe')()).toHaveLength(2)
})
