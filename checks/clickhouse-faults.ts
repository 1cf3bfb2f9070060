/**
 * What happens to ClickHouse while the tables for analysis are written to it and read from it: killed and started again, and hanging; and the
 * pipelines are killed as well. At the end the tables equal the embedded ones over the same lake, and what followed them in small
 * steps equals what reads them all at once. A service that hangs is given up within its timeout.
 *
 *   node checks/clickhouse-faults.ts SERVICES [--seed N] [--rounds N]
 *
 * SERVICES is a command that starts, kills and pauses a `clickhouse` of its own. Prints one JSON line; exit 1 if anything is wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Dump, differences } from '../cli/dump.ts'
import { millrace, succeed } from './command.ts'
import { dumpOf } from './dump.ts'
import { ownService } from './own-service.ts'
import { seededDraw } from './random.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, rounds: { type: 'string', default: '2' } },
})
const [services] = positionals
if (services === undefined) throw new Error('name the command that starts services')
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const draw = seededDraw(seed)
const requestTimeoutMs = 1_000
const example = join(import.meta.dirname, '../examples/vectors-from-clickhouse.ts')
const olap = ['olap-movies', 'olap-tv_series', 'olap-people']
const deaths = ['sink-begin', 'store-before-commit', 'store-after-commit', 'stage-done', 'batch-planned']

const root = mkdtempSync(join(tmpdir(), 'millrace-clickhouse-faults-'))
const service = await ownService(services, {
  name: 'clickhouse',
  dir: join(root, 'service'),
  port: 20_000 + draw(9_000),
})
// The service is no child of ours: it would outlive a check that is ended from outside.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void service.wipe().finally(() => process.exit(1)))

const elsewhere = { KAFKA_BROKERS: '', MILLRACE_LAKE: '' }
const embedded = { ...elsewhere, CLICKHOUSE_URL: '' }
const real = {
  ...elsewhere,
  ...service.env,
  CLICKHOUSE_TIMEOUT_MS: String(requestTimeoutMs),
  MILLRACE_RETRY_FOR: '10m',
}
const data = join(root, 'data')
const counts = { kills: 0, pauses: 0, pipelineKills: 0, retried: 0, runs: 0 }

/** Kills or pauses the service again and again, until told to stop. */
async function disturb(stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await sleep(200 + draw(1_200))
    if (draw(2) === 0) {
      await service.kill()
      await sleep(draw(400))
      await service.start()
      counts.kills += 1
    } else {
      await service.pause()
      await sleep(draw(3 * requestTimeoutMs))
      await service.resume()
      counts.pauses += 1
    }
  }
}

/** Runs until a run comes to its end; every other one is armed to die somewhere. */
async function insist(words: readonly string[]): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const fault = attempt < 3 && draw(3) > 0 ? `${deaths[draw(deaths.length)]}:${1 + draw(4)}:kill` : ''
    const ended = await millrace([...words, '--data', data], { ...real, MILLRACE_FAULT: fault })
    counts.runs += 1
    counts.retried += ended.lines.filter((line) => line.includes('"retried"')).length
    if (ended.status === 0) return
    if (ended.signal !== 'SIGKILL') throw new Error(`${words.join(' ')} ended with ${ended.status}:\n${ended.errors}`)
    counts.pipelineKills += 1
  }
}

async function round(number: number): Promise<void> {
  const noise = ['--duplicate', '0.1', '--late', '0.1', '--corrupt', '0.05', '--shuffle', '20']
  const source = ['--titles', '60', '--seed', String(seed + number)]
  await succeed(['simulate', ...source, ...noise, '--data', data], embedded)
  const upstream = ['movies', 'tv_series', 'people'].flatMap((kind) => [`bronze-${kind}`, `silver-${kind}`])
  await succeed(['run', ...upstream, '--available-now', '--max-records', '60', '--data', data], embedded)
  const stop = new AbortController()
  const disturbing = disturb(stop.signal)
  try {
    await insist(['run', ...olap, '--available-now', '--max-records', String(10 + draw(40))])
    await insist(['run', example, '--available-now', '--max-records', String(5 + draw(20))])
  } finally {
    stop.abort()
    await disturbing
  }
}

/** How long a run takes to say that the service hangs, and whether it says so. */
async function hanging(): Promise<{ readonly endedMs: number; readonly toldOfIt: boolean }> {
  await service.pause()
  const startedMs = performance.now()
  const words = ['run', 'olap-movies', '--available-now', '--data', data]
  const ended = await millrace(words, { ...real, MILLRACE_RETRY_FOR: '0s' })
  await service.resume()
  const endedMs = Math.round(performance.now() - startedMs)
  return {
    endedMs,
    toldOfIt: ended.status === 1 && ended.errors.includes(`no sign of life for ${requestTimeoutMs} ms`),
  }
}

function only(dump: Dump, prefix: string): Dump {
  return new Map([...dump].filter(([name]) => name.startsWith(prefix)))
}

let good = false
try {
  for (let number = 0; number < Number(values.rounds); number += 1) await round(number)
  const hung = await hanging()
  const last = await succeed(['run', ...olap, example, '--available-now', '--data', data], real)
  const batchesOfLastRun = last.filter((line) => line.includes('"committed"')).length
  await succeed(['run', ...olap, '--available-now', '--data', data], embedded)
  const fresh = join(root, 'fresh')
  await succeed(['run', example, '--available-now', '--data', fresh], real)
  const [inService, here, atOnce] = [await dumpOf(data, real), await dumpOf(data, embedded), await dumpOf(fresh, real)]
  const different = [
    ...differences(only(inService, 'olap:'), only(here, 'olap:')),
    ...differences(only(inService, 'vectors:'), only(atOnce, 'vectors:')),
  ]
  const tables = only(inService, 'olap:')
  const rows = [...tables.values()].reduce((sum, each) => sum + each.length, 0)
  const vectors = [...only(inService, 'vectors:').values()].reduce((sum, each) => sum + each.length, 0)
  good =
    different.length === 0 &&
    tables.size > 10 &&
    vectors > 0 &&
    batchesOfLastRun === 0 &&
    counts.kills > 0 &&
    counts.pauses > 0 &&
    hung.toldOfIt &&
    hung.endedMs < 15_000
  const report = { check: 'clickhouse-faults', seed, ...counts, hung, tables: tables.size, rows, vectors }
  console.log(JSON.stringify({ ...report, batchesOfLastRun, different }))
} finally {
  await service.wipe()
}
if (good) rmSync(root, { recursive: true, force: true })
process.exit(good ? 0 : 1)
