import { afterAll, beforeAll, expect, test } from 'vitest'
import * as o from '../index.ts'
import { type Bench, openBench } from './bench.testing.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench({ alsoInParts: true })
})
afterAll(() => bench.close())

const { col, lit } = o

const hostile = `a"b'; DROP TABLE x; -- \\ $1 %s {}\u{1f600}é`

test('select gives exactly the named columns, in order', async () => {
  const step = o.select('s', { b: col('a'), sum: o.add(col('a'), 1), kind: lit('x') })
  const { rows } = await bench.run([step], {
    columns: { a: 'long', z: 'string' },
    rows: [
      [9007199254740993n, 'q'],
      [null, 'r'],
    ],
  })
  expect(rows).toEqual([
    { b: 9007199254740993n, sum: 9007199254740994n, kind: 'x' },
    { b: null, sum: null, kind: 'x' },
  ])
  expect(Object.keys(rows[0]!)).toEqual(['b', 'sum', 'kind'])
})

test('derive replaces in place and adds at the end, drop removes', async () => {
  const steps = [o.derive('d', { a: o.upper(col('a')), c: col('a') }), o.drop('x', ['b'])]
  const { rows } = await bench.run(steps, { columns: { a: 'string', b: 'long' }, rows: [['q', 1]] })
  expect(rows).toEqual([{ a: 'Q', c: 'q' }])
})

test('filter keeps what is true; null is not', async () => {
  const step = o.filter('f', o.gt(col('a'), 1))
  const { rows } = await bench.run([step], { columns: { a: 'long' }, rows: [[1], [2], [null], [3]] })
  expect(rows).toEqual([{ a: 2n }, { a: 3n }])
})

test('names and values full of metacharacters are data', async () => {
  const steps = [
    o.filter('f', o.eq(col([hostile]), hostile)),
    o.derive('d', { [`${hostile}2`]: o.struct({ [hostile]: col([hostile]) }), x0: lit('\\\'"') }),
    o.derive('e', {
      got: o.field(col([`${hostile}2`]), hostile),
      l: o.mapList(o.list([1, 2]), (x) => o.concat(o.toText(x), col('x0'))),
    }),
    o.expect('check', { [hostile]: o.eq(col('x0'), 'no') }, { onViolation: 'warn' }),
  ]
  const { rows, result } = await bench.run(steps, {
    columns: { [hostile]: 'string', _m: 'long', batch: 'long' },
    rows: [
      [hostile, 1, 2],
      ['b', 1, 2],
    ],
  })
  expect(rows).toEqual([
    {
      [hostile]: hostile,
      _m: 1n,
      batch: 2n,
      [`${hostile}2`]: { [hostile]: hostile },
      x0: '\\\'"',
      got: hostile,
      l: ['1\\\'"', '2\\\'"'],
    },
  ])
  expect(result.violations).toEqual(new Map([['check', 1]]))
})

test('flatten gives a row per element, with its number and the kept columns', async () => {
  const step = o.flatten('f', { list: 'credits.cast', as: 'cast', keep: o.cols('id'), position: 'ordinal' })
  const credits = o.structOf({ cast: o.arrayOf(o.structOf({ name: 'string' })) })
  const rows = [
    [1, { cast: [{ name: 'a' }, { name: 'b' }] }],
    [2, null],
    [3, { cast: [] }],
    [4, { cast: [{ name: 'c' }, null] }],
  ]
  const ran = await bench.run([step], { columns: { id: 'long', credits }, rows })
  expect(ran.rows).toEqual([
    { id: 1n, cast: { name: 'a' }, ordinal: 0n },
    { id: 1n, cast: { name: 'b' }, ordinal: 1n },
    { id: 4n, cast: { name: 'c' }, ordinal: 0n },
    { id: 4n, cast: null, ordinal: 1n },
  ])
})

test('union goes by name and fills with null, numbers widen', async () => {
  const inputs = {
    a: { columns: { id: 'integer', x: 'string' }, rows: [[1, 'x']] },
    b: { columns: { y: 'boolean', id: 'long' }, rows: [[true, 2]] },
  } as const
  const { rows } = await bench.run([o.union('u', ['a', 'b'])], inputs)
  expect(rows).toEqual([
    { id: 1n, x: 'x', y: null },
    { id: 2n, x: null, y: true },
  ])
})

test('an expectation warns, drops, dead-letters or fails', async () => {
  const rules = { 'has title': o.isNotNull(col('title')), 'votes >= 0': o.ge(col('votes'), 0) }
  const input = {
    columns: { topic: 'string', partition: 'integer', offset: 'long', title: 'string', votes: 'long' },
    rows: [
      ['t', 0, 7, 'a', 1],
      ['t', 0, 8, null, -1],
      ['t', 1, 9, 'b', null],
    ],
  } as const
  const run = (onViolation: o.OnViolation) =>
    bench.run([o.expect('e', rules, { onViolation }), o.select('s', o.cols('title'))], input)
  expect((await run('warn')).rows.length).toBe(3)
  const dropped = await run('drop')
  expect(dropped.rows).toEqual([{ title: 'a' }])
  expect(dropped.result.violations).toEqual(new Map([['e', 2]]))
  const lettered = await run('dead-letter')
  expect(lettered.rows).toEqual([{ title: 'a' }])
  expect(await lettered.output('e.rejected')).toEqual([
    {
      pipeline: 'test',
      step: 'e',
      code: 'EXPECTATION_FAILED',
      message: 'breaks: has title; votes >= 0',
      topic: 't',
      partition: 0,
      offset: 8n,
      timestamp: null,
      key: null,
      value: null,
      headers: null,
    },
    {
      pipeline: 'test',
      step: 'e',
      code: 'EXPECTATION_FAILED',
      message: 'breaks: votes >= 0',
      topic: 't',
      partition: 1,
      offset: 9n,
      timestamp: null,
      key: null,
      value: null,
      headers: null,
    },
  ])
  await expect(run('fail')).rejects.toMatchObject({
    code: 'RECORDS_FAILED_EXPECTATION',
    message: expect.stringContaining(
      'step e: 2 rows failed an expectation: t/0 offset 8: breaks: has title; votes >= 0 | t/1 offset 9',
    ),
  })
})

test('sql runs over its input, whatever it begins or ends with', async () => {
  const step = o.sql('top', 'WITH x AS (SELECT max(a) AS m FROM batch) SELECT m FROM x -- end')
  const { rows } = await bench.run([step, o.derive('d', { n: o.add(col('m'), 1) })], {
    columns: { a: 'long' },
    rows: [[1], [5]],
  })
  expect(rows).toEqual([{ m: 5n, n: 6n }])
})

test('a second input is refused by every step that would not read it, and taken by a union', () => {
  const from = ['a', 'b']
  const wrong = [
    o.sql('sql', 'SELECT * FROM batch', { from }),
    o.filter('filter', o.lit(true), { from }),
    o.select('select', {}, { from }),
    o.expect('expect', {}, { onViolation: 'warn', from }),
    o.parse('parse', { from: 'value', columns: {} }, { from }),
    o.latestByKey('latest', { key: [], order: [] }, { from }),
    o.derive('none', {}, { from: [] }),
  ]
  for (const { problems } of wrong) expect(problems).toEqual([expect.stringContaining('reads one input, not ')])
  expect(wrong[0]!.problems).toEqual(['sql reads one input, not a, b (union them first)'])
  expect(o.union('all', from).problems).toBeUndefined()
})

test('a step that two read is computed once, and all outputs are written', async () => {
  const steps = [
    o.derive('base', { b: o.multiply(col('a'), 2) }),
    o.filter('small', o.lt(col('b'), 4), { from: 'base' }),
    o.filter('large', o.ge(col('b'), 4), { from: 'base' }),
    o.union('all', ['small', 'large']),
  ]
  const { output, result } = await bench.run(steps, { columns: { a: 'long' }, rows: [[1], [2], [3]] }, [
    'small',
    'large',
    'all',
    'base',
  ])
  expect(await output('small')).toEqual([{ a: 1n, b: 2n }])
  expect(await output('large')).toEqual([
    { a: 2n, b: 4n },
    { a: 3n, b: 6n },
  ])
  expect((await output('all')).length).toBe(3)
  expect((await output('base')).length).toBe(3)
  expect(result).toMatchObject({ rowsIn: 3, violations: new Map() })
})
