import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemIds } from '../../engine/clock.ts'
import type { StageResult, Step } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import * as o from '../index.ts'
import { type Bench, openBench, stageOf } from './bench.testing.ts'
import { relationalExecutor } from './executor.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench.close())

const { col, lit } = o
const parse = o.parse('parse', { from: 'value', columns: { n: 'long' }, keep: ['offset'] })
const newest = o.latestByKey('newest', { key: ['n'], order: ['offset'] })
const good = ['{"n": 1}', '{"n": 1}', '{"n": 2}']
const bad = [...good, '{"n": "one"}']

/** The result, and every statement that wrote a file. */
async function run(steps: readonly Step[], documents: readonly string[], outputs?: readonly string[]) {
  const copies: string[] = []
  const duckdb: Duckdb = {
    ...bench.duckdb,
    withConnection: (work) =>
      bench.duckdb.withConnection((connection) =>
        work({
          ...connection,
          rows(sql) {
            if (sql.startsWith('COPY')) copies.push(sql)
            return connection.rows(sql)
          },
        }),
      ),
  }
  const file = await bench.file({
    columns: { offset: 'long', value: 'binary' },
    rows: documents.map((document, i) => [i, document]),
  })
  const result: StageResult = await relationalExecutor({ duckdb: async () => duckdb, ids: systemIds }).run({
    pipeline: 'p',
    stage: stageOf(steps, ['source'], outputs),
    inputs: new Map([['source', { kind: 'files', files: [file] }]]),
    stagingDir: bench.dir,
    limits: { maxRecords: 1e6, maxBytes: 1e9, maxAgeMs: 1e6 },
    signal: new AbortController().signal,
  })
  const letters = (result.outputs.get('parse.rejected') ?? []).reduce((sum, { rows }) => sum + rows, 0)
  return { copies, letters }
}

test('documents are read for the dead letters only if one was rejected', async () => {
  expect(await run([parse, newest], good)).toMatchObject({ letters: 0, copies: [expect.anything()] })
  expect(await run([parse, newest], bad)).toMatchObject({ letters: 1, copies: [expect.anything(), expect.anything()] })
})

test('a rejected document is a dead letter, whatever the later steps want of the rows', async () => {
  for (const steps of [
    [parse, o.filter('none', lit(false)), newest],
    [parse, newest, o.filter('others', o.gt(col('n'), 1000))],
    [parse, o.sql('few', 'SELECT * FROM batch LIMIT 1')],
    [parse, o.select('nothing', { one: lit(1) })],
    [parse, o.union('twice', ['parse', 'parse']), newest],
  ])
    expect(await run(steps, bad)).toMatchObject({ letters: 1 })
})

test('a rejected document is a dead letter when its rows are kept for several readers, or read by none', async () => {
  expect(await run([parse, newest], bad, ['parse', 'newest'])).toMatchObject({ letters: 1 })
  expect(await run([parse, newest], bad, [])).toMatchObject({ letters: 1 })
})
