import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Column, DataType } from '../../engine/schema.ts'
import * as o from '../index.ts'
import { type Bench, openBench } from '../relational/bench.testing.ts'
import { jsonPointer } from './json-path.ts'
import { typeOf } from './types.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench.close())

const { col, lit } = o

const columns = {
  i: 'integer',
  l: 'long',
  d: 'double',
  f: 'float',
  s: 'string',
  none: 'string',
  b: 'boolean',
  day: 'date',
  at: 'timestamp',
  words: o.arrayOf('string'),
  nums: o.arrayOf('long'),
  nested: o.arrayOf(o.arrayOf('long')),
  who: o.structOf({ id: 'long', name: 'string' }),
  json: 'string',
} as const satisfies Record<string, DataType>

const row = [
  7,
  9007199254740993n,
  1.5,
  2.5,
  'Ab😀é',
  null,
  true,
  '1874-12-09',
  '2020-01-02 03:04:05+00',
  ['b', null, 'a', 'b'],
  [3, 1, 3],
  [[1], null, [2, 3]],
  { id: 1, name: 'n' },
  '{"a":{"b":[1,"x",null]},"t":"5","o":{"k":1}}',
]

/** Expression, type, value. */
const cases: readonly (readonly [o.Expression, DataType, unknown])[] = [
  [o.add(col('l'), 1), 'long', 9007199254740994n],
  [o.add(col('i'), col('l')), 'long', 9007199254741000n],
  [o.add(lit(9223372036854775807n), 1), 'long', null],
  [o.subtract(col('d'), col('l')), 'double', 1.5 - 2 ** 53],
  [o.multiply(col('i'), col('i')), 'integer', 49],
  [o.add(col('f'), col('l')), 'float', 2 ** 53],
  [o.divide(col('i'), 2), 'double', 3.5],
  [o.divide(col('i'), 0), 'double', null],
  [o.modulo(lit(-7), 3), 'long', -1n],
  [o.modulo(col('i'), 0), 'long', null],
  [o.eq(col('none'), 'x'), 'boolean', null],
  [o.isDistinct(col('none'), 'x'), 'boolean', true],
  [o.and(o.eq(col('none'), 'x'), false), 'boolean', false],
  [o.or(), 'boolean', false],
  [o.coalesce(col('i'), col('d')), 'double', 7],
  [o.coalesce(col('none'), 'z'), 'string', 'z'],
  [o.nullIf(col('i'), 7), 'integer', null],
  [o.caseWhen([[o.isNull(col('none')), col('i')]], col('l')), 'long', 7n],
  [o.concat(col('s'), col('none')), 'string', null],
  [o.lower(col('s')), 'string', 'ab😀é'],
  [o.trim('  a '), 'string', 'a'],
  [o.length(col('s')), 'long', 4n],
  [o.substring(col('s'), 2, 2), 'string', 'b😀'],
  [o.matches(col('s'), 'A.*'), 'boolean', true],
  [o.toText(col('day')), 'string', '1874-12-09'],
  [o.toText(col('l')), 'string', '9007199254740993'],
  [o.hashText('ab', null), 'string', 'd0a578e1fd76c71d78c6adc763ee1543'],
  [o.dateOf(col('at')), 'date', new Date('2020-01-02')],
  [o.yearOf(col('day')), 'long', 1874n],
  [o.epochMicros(col('at')), 'long', 1577934245000000n],
  [o.cast(col('d'), 'long'), 'long', 2n],
  [o.tryCast(col('s'), 'long'), 'long', null],
  [o.jsonGet(col('json'), '$.a.b[1]'), 'string', 'x'],
  [o.jsonGet(col('json'), '$.a.b[0]', 'long'), 'long', 1n],
  [o.jsonGet(col('json'), '$.a.b[2]'), 'string', null],
  [o.jsonGet(col('json'), '$.o', o.structOf({ k: 'long' })), o.structOf({ k: 'long' }), { k: 1n }],
  [o.jsonGet(col('s'), '$.a'), 'string', null],
  [
    o.struct({ a: col('i'), b: o.struct({ c: col('s') }) }),
    o.structOf({ a: 'integer', b: o.structOf({ c: 'string' }) }),
    { a: 7, b: { c: 'Ab😀é' } },
  ],
  [col('who.name'), 'string', 'n'],
  [o.list([col('i'), 1]), o.arrayOf('long'), [7n, 1n]],
  [o.coalesce(o.nullIf(col('words'), col('words')), o.list([])), o.arrayOf('string'), []],
  [o.mapList(col('nums'), (x) => o.add(x, col('i'))), o.arrayOf('long'), [10n, 8n, 10n]],
  [
    o.mapList(col('nested'), (xs) => o.mapList(xs, (x) => o.add(x, o.listLength(xs)))),
    o.arrayOf(o.arrayOf('long')),
    [[2n], null, [4n, 5n]],
  ],
  [o.filterList(col('words'), (w) => o.ne(w, 'b')), o.arrayOf('string'), ['a']],
  [o.concatLists(col('nums'), o.nullIf(col('nums'), col('nums'))), o.arrayOf('long'), [3n, 1n, 3n]],
  [o.flattenList(col('nested')), o.arrayOf('long'), [1n, 2n, 3n]],
  [o.sortedList(col('words')), o.arrayOf('string'), [null, 'a', 'b', 'b']],
  [o.sortedList(o.distinctList(col('words'))), o.arrayOf('string'), ['a', 'b']],
  [o.joinList(col('words'), ', '), 'string', 'b, a, b'],
  [o.listLength(col('words')), 'long', 4n],
  [o.listContains(col('nums'), 3), 'boolean', true],
  [o.first(col('nums')), 'long', 3n],
  [o.first(o.filterList(col('nums'), () => false)), 'long', null],
  [lit(0.1), 'double', 0.1],
  [lit("'; --"), 'string', "'; --"],
]

test('every function gives the promised value, of the type that the check foresees', async () => {
  const named = Object.fromEntries(cases.map(([expression], i) => [`c${i}`, expression]))
  const { rows, result } = await bench.run([o.select('s', named)], { columns, rows: [row] })
  const types = result.outputs.get('s')![0]!.columns
  const known: Column[] = Object.entries(columns).map(([name, type]) => ({ name, type }))
  cases.forEach(([expression, type, value], i) => {
    const what = JSON.stringify(expression)
    expect(
      typeOf(expression, known, (line) => expect.fail(`${what}: ${line}`)),
      what,
    ).toEqual(type)
    expect(types[i]?.type, what).toEqual(type)
    expect(rows[0]![`c${i}`], what).toEqual(value)
  })
})

test('an expression is plain JSON, the same every time it is built', () => {
  const build = () => o.mapList(col('nested'), (xs) => o.mapList(xs, (x) => o.eq(x, 12345678901234567890n / 10n)))
  expect(JSON.parse(JSON.stringify(build()))).toEqual(build())
})

test('a list function defined outside another one keeps its own element', async () => {
  const inner = o.mapList(col('nums'), (x) => o.add(x, 1))
  const { rows } = await bench.run([o.select('s', { r: o.mapList(col('nums'), (x) => o.add(x, o.first(inner))) })], {
    columns,
    rows: [row],
  })
  expect(rows).toEqual([{ r: [7n, 5n, 7n] }])
})

test('every fault of an expression is named', () => {
  const known: Column[] = Object.entries(columns).map(([name, type]) => ({ name, type }))
  const faults = (expression: o.Expression): string[] => {
    const lines: string[] = []
    typeOf(expression, known, (line) => lines.push(line))
    return lines
  }
  expect(faults(o.and(o.eq(col('s'), 1), o.lt(col('who.x'), col('S')))).length).toBe(3)
  expect(faults(col('who.x'))).toEqual(['unknown field x (there are: id, name)'])
  expect(faults(o.hashText(col('d')))).toEqual([
    'hash-text takes string, boolean, date, byte, short, integer, long, not double (cast it)',
  ])
  expect(faults(o.mapList(col('s'), (x) => x))).toEqual(['mapList reads string, which is no list'])
  expect(faults(o.struct({ a: lit(1), A: lit(2) }))[0]).toContain('the same but for their case')
  expect(() => lit('a\0')).toThrow('NUL')
  expect(() => lit(Number.NaN)).toThrow('not a finite number')
  expect(() => lit(2n ** 63n)).toThrow('does not fit 64 bits')
})

test('JSON paths become pointers, and what is no path is refused', () => {
  expect(jsonPointer('$')).toBe('')
  expect(jsonPointer(String.raw`$.a['b/c~d\'e'][0].f_1`)).toBe("/a/b~1c~0d'e/0/f_1")
  for (const path of ['', 'a', '$.', '$[a]', "$['a", '$..a', '$.a b'])
    expect(() => jsonPointer(path)).toThrow('is not valid')
})
