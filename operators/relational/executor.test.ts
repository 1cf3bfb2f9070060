import { mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemIds } from '../../engine/clock.ts'
import type { StageInput, StageRun, Step } from '../../engine/contracts.ts'
import { armFault } from '../../engine/fault-points.ts'
import { deadLetterColumns } from '../../engine/record.ts'
import type { Column } from '../../engine/schema.ts'
import * as o from '../index.ts'
import { type Bench, openBench, stageOf } from './bench.testing.ts'
import { relationalExecutor } from './executor.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench.close())

const { col } = o
const copy = o.derive('copy', {})

function stageRun(
  steps: readonly Step[],
  inputs: ReadonlyMap<string, StageInput>,
  signal = new AbortController().signal,
): StageRun {
  const stage = stageOf(steps, [...inputs.keys()])
  return {
    pipeline: 'p',
    stage,
    inputs,
    stagingDir: bench.dir,
    limits: { maxRecords: 1, maxBytes: 1, maxAgeMs: 1 },
    signal,
  }
}

function run(stage: StageRun) {
  return relationalExecutor({ duckdb: async () => bench.duckdb, ids: systemIds }).run(stage)
}

async function stored(name: string, query: string): Promise<string> {
  const path = join(bench.dir, name)
  await bench.duckdb.withConnection((connection) => copyToParquet(connection, query, path))
  return path
}

test('a table input has constants as columns, and null where a file is older than a column or a field', async () => {
  const person = o.structOf({ id: 'long', name: 'string' })
  const columns: Column[] = [
    { name: 'id', type: 'long' },
    { name: 'who', type: person },
    { name: 'note', type: 'string' },
    { name: '_change_type', type: 'string' },
    { name: '_commit_version', type: 'long' },
  ]
  const old = await stored('old.parquet', "SELECT 1::BIGINT AS id, {'id': 5::BIGINT} AS who")
  const young = await stored(
    'young.parquet',
    "SELECT 2::BIGINT AS id, {'id': 6::BIGINT, 'name': 'n'} AS who, 'x' AS note, 'delete' AS _change_type",
  )
  const files = [
    { path: old, constants: { _change_type: "in'sert", _commit_version: 9007199254740993n } },
    { path: young, constants: { _commit_version: 9007199254740994n } },
  ]
  const result = await run(stageRun([copy], new Map([['source', { kind: 'table', table: { columns, files } }]])))
  expect(await bench.rowsOf(result.outputs.get('copy'))).toEqual([
    { id: 1n, who: { id: 5n, name: null }, note: null, _change_type: "in'sert", _commit_version: 9007199254740993n },
    { id: 2n, who: { id: 6n, name: 'n' }, note: 'x', _change_type: 'delete', _commit_version: 9007199254740994n },
  ])
  expect(result.outputs.get('copy')?.[0]?.columns).toEqual(columns)
  expect(result).toMatchObject({ rowsIn: 2, ranges: [] })
  expect(result.bytesIn).toBeGreaterThan(200)
})

test('a path is never taken for a pattern, nor its folders for columns', async () => {
  await mkdir(join(bench.dir, 'year=2000'))
  const plain = await stored('plain.parquet', 'SELECT 1 AS a')
  const path = join(bench.dir, "year=2000/p[a-z]*?'.parquet")
  await rename(plain, path)
  const table = { columns: [{ name: 'a', type: 'integer' as const }], files: [{ path, constants: {} }] }
  const result = await run(stageRun([copy], new Map([['source', { kind: 'table', table }]])))
  expect(await bench.rowsOf(result.outputs.get('copy'))).toEqual([{ a: 1 }])
  expect(result.rowsIn).toBe(1)
})

test('inputs without files give no outputs; one of several without files takes no part', async () => {
  const none: StageInput = { kind: 'files', files: [] }
  expect((await run(stageRun([copy], new Map([['source', none]])))).outputs).toEqual(new Map())
  const some: StageInput = { kind: 'files', files: [await bench.file({ columns: { a: 'long' }, rows: [[1]] })] }
  const result = await run(
    stageRun(
      [o.union('u', ['x', 'y'])],
      new Map([
        ['x', none],
        ['y', some],
      ]),
    ),
  )
  expect(await bench.rowsOf(result.outputs.get('u'))).toEqual([{ a: 1n }])
})

test('an output without rows leaves no file', async () => {
  const source: StageInput = { kind: 'files', files: [await bench.file({ columns: { a: 'long' }, rows: [[1]] })] }
  const before = await readdir(bench.dir)
  const result = await run(stageRun([o.filter('f', o.gt(col('a'), 5))], new Map([['source', source]])))
  expect(result.outputs).toEqual(new Map())
  expect(await readdir(bench.dir)).toEqual(before)
})

test('a failing statement names pipeline, stage and step and keeps the words of the engine', async () => {
  const source: StageInput = { kind: 'files', files: [await bench.file({ columns: { s: 'string' }, rows: [['x']] })] }
  const step = o.derive('numbers', { n: o.cast(col('s'), 'long') })
  await expect(run(stageRun([step], new Map([['source', source]])))).rejects.toMatchObject({
    code: 'STEP_FAILED',
    retryable: false,
    message: expect.stringMatching(/^pipeline p, stage numbers: steps numbers failed: Conversion Error: .*'x'/),
  })
})

test('every fault of the steps is told at once', async () => {
  const source: StageInput = {
    kind: 'files',
    files: [await bench.file({ columns: { s: 'string', n: 'long' }, rows: [['x', 1]] })],
  }
  const steps = [
    o.derive('a', { x: col('t'), y: o.eq(col('s'), col('n')) }),
    o.filter('b', col('s')),
    o.drop('c', ['q']),
  ]
  await expect(run(stageRun(steps, new Map([['source', source]])))).rejects.toMatchObject({
    code: 'STEP_FAILED',
    problems: [
      'step a: column x: unknown column t (there are: s, n)',
      'step a: column y: eq mixes string and long (cast one of them)',
      'step b: condition: is not boolean',
      'step c: drop: unknown column q (there are: s, n, x, y)',
    ],
  })
})

test('an aborted stage runs no further statement', async () => {
  const source: StageInput = { kind: 'files', files: [await bench.file({ columns: { a: 'long' }, rows: [[1]] })] }
  const before = await readdir(bench.dir)
  const stage = stageRun([copy], new Map([['source', source]]), AbortSignal.abort(new Error('stopped')))
  await expect(run(stage)).rejects.toThrow('stopped')
  expect(await readdir(bench.dir)).toEqual(before)
})

test('each written file is a fault point', async () => {
  const source: StageInput = { kind: 'files', files: [await bench.file({ columns: { a: 'long' }, rows: [[1]] })] }
  armFault({ point: 'file-written', passage: 1, action: 'throw' })
  try {
    await expect(run(stageRun([copy], new Map([['source', source]])))).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  } finally {
    armFault(null)
  }
})

test('a check gives the columns of every output, as the files will have them, or every problem', async () => {
  const steps = [
    o.parse('parse', {
      from: 'value',
      columns: { id: 'long', on: o.date(), names: o.arrayOf('string') },
      keep: ['offset'],
    }),
    o.sql('more', 'SELECT *, len(names) AS n FROM batch'),
    o.expect('known', { 'has id': o.isNotNull(col('id')) }, { onViolation: 'dead-letter' }),
    o.select('out', { id: col('id'), year: o.yearOf(col('on')), n: o.add(col('n'), 1), key: o.hashText(col('id')) }),
  ]
  const columns: Column[] = [
    { name: 'offset', type: 'long' },
    { name: 'value', type: 'binary' },
  ]
  const { outputs, problems } = await o.checkStage(
    bench.duckdb,
    stageOf(steps, ['source']),
    new Map([['source', columns]]),
  )
  expect(problems).toEqual([])
  expect(outputs.get('out')).toEqual([
    { name: 'id', type: 'long' },
    { name: 'year', type: 'long' },
    { name: 'n', type: 'long' },
    { name: 'key', type: 'string' },
  ])
  expect(outputs.get('parse.rejected')).toEqual(deadLetterColumns)
  expect(outputs.get('known.rejected')).toEqual(deadLetterColumns)
  const wrong = await o.checkStage(
    bench.duckdb,
    stageOf([o.sql('bad', 'SELECT nope FROM batch')], ['source']),
    new Map([['source', columns]]),
  )
  expect(wrong.problems[0]).toContain('nope')
})

test('an explanation shows one statement per output and marks what it cannot see into', async () => {
  const steps = [
    o.filter('f', o.gt(col('a'), 1)),
    o.sql('raw', 'SELECT a FROM batch'),
    o.select('out', { b: col('a') }),
  ]
  const text = await o.explainStage(
    bench.duckdb,
    stageOf(steps, ['source']),
    new Map([['source', [{ name: 'a', type: 'long' }]]]),
  )
  expect(text).toContain('-- step raw is opaque')
  expect(text).toContain('FROM <source>')
  expect(text.match(/-- out\n/g)?.length).toBe(1)
})

test('neighbouring selects, filters and derivations become one select', async () => {
  const steps = [
    o.filter('f', o.gt(col('a'), 1)),
    o.derive('d', { b: o.add(col('a'), 1) }),
    o.filter('g', o.lt(col('a'), 9)),
    o.select('out', { c: col('b') }),
  ]
  const inputs = new Map([['source', [{ name: 'a', type: 'long' as const }]]])
  const text = await o.explainStage(bench.duckdb, stageOf(steps, ['source']), inputs)
  expect(text.match(/SELECT/g)?.length).toBe(1)
})
