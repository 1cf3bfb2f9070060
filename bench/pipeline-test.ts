/**
 * What a test of a pipeline takes: `testPipeline`, a run over three records of which one is a dead letter, the rows of both tables, closing. Once for
 * the example, which runs on Arrow columns, and once for a pipeline with steps in SQL and a merge. Prints the first test of the process and the
 * others, in milliseconds: time, and CPU of all threads. `--tests N` (default 40).
 */
import { parseArgs } from 'node:util'
import { delta, kafka } from '../connectors/index.ts'
import { definePipeline, type Pipeline } from '../engine/index.ts'
import ratings from '../examples/ratings.ts'
import { col, int64, latestByKey, parseCritical, select, timestamp } from '../operators/index.ts'
import { testPipeline } from '../testing/index.ts'
import { machineFacts } from './machine.ts'
import { quantile, rounded } from './quantile.ts'

const topic = 'tmdb.movies'

const newest = definePipeline({
  name: 'newest',
  source: kafka({ topic }),
  steps: [
    parseCritical('parse', { id: int64('$.id'), event_time: timestamp('$.timestamp') }),
    latestByKey('latest', { key: ['id'], order: ['event_time', 'offset'] }),
    select('row', { id: col('id'), event_time: col('event_time') }),
  ],
  sink: delta({ table: 'newest', mode: 'merge', key: ['id'], newer: ['event_time'], changeFeed: true }),
  deadLetters: delta({ table: 'dead_letters/newest', mode: 'append' }),
})

/** One test, as a user writes it. */
async function runTest(pipeline: Pipeline, table: string): Promise<void> {
  const records = [1, 2].map((id) => ({ id, timestamp: '2026-01-01T00:00:00Z' }))
  await using test = await testPipeline(pipeline, { [topic]: [...records, 'no JSON'] })
  await test.run()
  const [rows, letters] = [await test.rows(table), await test.deadLetters()]
  if (rows.length !== 2 || letters.length !== 1)
    throw new Error(`${pipeline.name}: ${rows.length} rows, ${letters.length} dead letters`)
}

async function measure(pipeline: Pipeline, table: string, tests: number) {
  const timesMs: number[] = []
  const cpuMs: number[] = []
  for (let i = 0; i < tests; i += 1) {
    const [startMs, cpu] = [performance.now(), process.cpuUsage()]
    await runTest(pipeline, table)
    timesMs.push(performance.now() - startMs)
    const { user, system } = process.cpuUsage(cpu)
    cpuMs.push((user + system) / 1000)
  }
  const [first, ...others] = timesMs
  const figures = (values: readonly number[]) => ({
    least: rounded(Math.min(...values), 1),
    median: rounded(quantile(values, 0.5), 1),
    p90: rounded(quantile(values, 0.9), 1),
  })
  return {
    bench: 'pipeline-test',
    pipeline: pipeline.name,
    firstMs: rounded(first!, 1),
    othersMs: figures(others),
    othersCpuMs: figures(cpuMs.slice(1)),
  }
}

const { values } = parseArgs({ options: { tests: { type: 'string', default: '40' } } })
const tests = Math.max(2, Number(values.tests) || 0)
console.log(JSON.stringify({ bench: 'machine', ...machineFacts() }))
for (const [pipeline, table] of [
  [ratings, 'bronze/ratings'],
  [newest, 'newest'],
] as const)
  console.log(JSON.stringify(await measure(pipeline, table, tests)))
