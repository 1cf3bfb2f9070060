import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Column, DataType, PrimitiveType } from '../../engine/schema.ts'
import { evolveSchema, parseSchema, printEvolvedSchema, printSchema, schemaFields } from './schema.ts'

const primitive = fc.constantFrom<PrimitiveType>('string', 'long', 'integer', 'double', 'binary', 'timestamp', 'date')
const { columns } = fc.letrec<{ type: DataType; columns: Column[] }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    primitive,
    fc.record({
      kind: fc.constant('decimal' as const),
      precision: fc.integer({ min: 1, max: 38 }),
      scale: fc.constant(0),
    }),
    fc.record({ kind: fc.constant('array' as const), element: tie('type') }),
    fc.record({ kind: fc.constant('map' as const), key: primitive, value: tie('type') }),
    fc.record({ kind: fc.constant('struct' as const), fields: tie('columns') }),
  ),
  columns: fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'Größe', '🎬 x'), type: tie('type') }), {
    minLength: 1,
    maxLength: 4,
    selector: ({ name }) => name,
  }),
}))

test('columns survive printing and parsing', () => {
  fc.assert(
    fc.property(columns, (given) => {
      expect(parseSchema(printSchema(given))).toEqual(given)
    }),
  )
})

test('a table takes in its own columns, and any part of them, unchanged', () => {
  fc.assert(
    fc.property(columns, fc.nat(4), (given, count) => {
      expect(evolveSchema(given, given)).toEqual({ kind: 'unchanged' })
      expect(evolveSchema(given, given.slice(0, count))).toEqual({ kind: 'unchanged' })
    }),
  )
})

test('after growing, a table takes in the old and the new columns unchanged, and prints what it grew to', () => {
  fc.assert(
    fc.property(columns, columns, (table, incoming) => {
      let grown: readonly Column[]
      try {
        const result = evolveSchema(table, incoming)
        grown = result.kind === 'evolved' ? result.columns : table
      } catch (error) {
        expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH' })
        return
      }
      expect(evolveSchema(grown, table).kind).toBe('unchanged')
      expect(evolveSchema(grown, incoming).kind).toBe('unchanged')
      expect(parseSchema(printEvolvedSchema(printSchema(table), grown))).toEqual(grown)
    }),
  )
})

test('new columns are added at the end, also inside structs, arrays of structs and map values', () => {
  const item = (...names: string[]): DataType => ({
    kind: 'struct',
    fields: names.map((name) => ({ name, type: 'long' })),
  })
  const nested = (inner: DataType): Column[] => [
    { name: 's', type: inner },
    { name: 'l', type: { kind: 'array', element: inner } },
    { name: 'm', type: { kind: 'map', key: 'string', value: { kind: 'array', element: inner } } },
  ]
  expect(evolveSchema(nested(item('a', 'b')), [...nested(item('c', 'a')), { name: 'n', type: 'date' }])).toEqual({
    kind: 'evolved',
    columns: [...nested(item('a', 'b', 'c')), { name: 'n', type: 'date' }],
  })
})

test('another type is refused with the column and both types', () => {
  const table: Column[] = [
    { name: 'a', type: { kind: 'array', element: { kind: 'struct', fields: [{ name: 'x', type: 'long' }] } } },
  ]
  const rows: Column[] = [
    { name: 'a', type: { kind: 'array', element: { kind: 'struct', fields: [{ name: 'x', type: 'string' }] } } },
  ]
  expect(() => evolveSchema(table, rows)).toThrowError(
    expect.objectContaining({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringMatching(/a\.element\.x is long in the table and string in the rows/),
    }),
  )
})

test('a name that differs in case only is refused', () => {
  expect(() => evolveSchema([{ name: 'id', type: 'long' }], [{ name: 'ID', type: 'long' }])).toThrowError(
    expect.objectContaining({ code: 'SCHEMA_MISMATCH', message: expect.stringContaining('in case only') }),
  )
})

test('what the log says of a field is kept when the schema grows', () => {
  const schemaString = JSON.stringify({
    type: 'struct',
    fields: [
      {
        name: 'a',
        type: 'string',
        nullable: true,
        metadata: { comment: 'the first', __CHAR_VARCHAR_TYPE_STRING: 'varchar(9)' },
      },
      {
        name: 'b',
        type: { type: 'struct', fields: [{ name: 'x', type: 'long', nullable: false, metadata: { 'id.max': 1 } }] },
        nullable: true,
        metadata: {},
      },
    ],
  }).replace('"id.max":1', '"id.max":9007199254740993')
  const grown = evolveSchema(parseSchema(schemaString), [
    { name: 'b', type: { kind: 'struct', fields: [{ name: 'y', type: 'date' }] } },
    { name: 'c', type: 'long' },
  ])
  if (grown.kind !== 'evolved') throw new Error('expected to grow')
  const printed = printEvolvedSchema(schemaString, grown.columns)
  expect(printed).toContain('"comment":"the first"')
  expect(printed).toContain('"id.max":9007199254740993')
  expect([...schemaFields(printed)].map(({ path, nullable }) => [path, nullable])).toEqual([
    ['a', true],
    ['b', true],
    ['b.x', false],
    ['b.y', true],
    ['c', true],
  ])
})

test('unknown types and damaged schemas are refused by name', () => {
  const withType = (name: unknown): string => JSON.stringify({ type: 'struct', fields: [{ name: 'v', type: name }] })
  expect(() => parseSchema(withType('variant'))).toThrow('column v has the type variant, which is not supported')
  expect(() => parseSchema(withType({ type: 'array', elementType: 'void' }))).toThrow(
    'column v.element has the type void',
  )
  expect(() => parseSchema('{"type":"struct"')).toThrowError(expect.objectContaining({ code: 'TABLE_CORRUPT' }))
  expect(() => parseSchema('[]')).toThrowError(expect.objectContaining({ code: 'TABLE_CORRUPT' }))
})
