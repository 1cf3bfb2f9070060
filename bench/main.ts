/**
 * `npm run bench [-- names... --records 1000000 --seconds 20]`: figures of the engine as JSON lines, each with a ratio
 * to `JSON.parse` over the same records in the same run, and that ratio's ratio to `baseline.json`: machines differ and
 * are noisy, the ratio is what can be compared. The options are for the benches of a cluster.
 */
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedders } from './embedders.bench.ts'
import { kafkaClients } from './kafka-clients.bench.ts'
import { kafkaToDelta } from './kafka-to-delta.bench.ts'
import { machineFacts } from './machine.ts'
import { type BenchOptions, benchArguments } from './options.ts'
import { bronze, silver } from './pipelines.bench.ts'
import type { BenchResult } from './result.ts'
import { idle, startUp } from './start-up.bench.ts'

const benches: Readonly<Record<string, (dir: string, options: BenchOptions) => AsyncGenerator<BenchResult>>> = {
  'start-up': startUp,
  idle,
  bronze,
  silver,
  embedders,
  'kafka-to-delta': kafkaToDelta,
  'kafka-clients': kafkaClients,
}
const { names, options } = benchArguments(process.argv.slice(2))
const unknown = names.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`bench: no such bench: ${unknown.join(', ')} (there are: ${Object.keys(benches).join(', ')})`)
  process.exit(2)
}
const baseline = JSON.parse(readFileSync(join(import.meta.dirname, 'baseline.json'), 'utf8')) as Record<string, number>
const dir = join(tmpdir(), `millrace-bench-${process.pid}`)
console.log(JSON.stringify({ machine: machineFacts() }))
try {
  for (const [name, run] of Object.entries(benches)) {
    if (names.length > 0 && !names.includes(name)) continue
    for await (const result of run(dir, options)) {
      const before = baseline[result.bench]
      const compared =
        before === undefined || result.ratio === undefined ? {} : { toBaseline: round(result.ratio / before) }
      console.log(JSON.stringify({ ...result, ...compared }))
    }
  }
} finally {
  rmSync(dir, { recursive: true, force: true })
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
