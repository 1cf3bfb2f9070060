/**
 * A real change history into ClickHouse, Neo4j and a vector index, while the pipeline and the stores are killed and hang: at five points on
 * the way and at the end each store holds what another program computes from silver, and a run without news writes nothing.
 *
 *   node checks/serving-sweep.ts SERVICES HISTORY [--kills 60] [--seed N] [--share 1] [--points 5] [--stores clickhouse,neo4j,vectors]
 *
 * SERVICES starts, kills and pauses services of its own; the vector index is the emulator of the testing kit. Half of the kills are the
 * pipeline's (SIGKILL at a fault point), half are the stores'. DELTA_RS_PYTHON in the environment. Prints one JSON line; exit 1 if anything differs.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { faultPoints } from '../engine/fault-points.ts'
import { batchLines, millrace, succeed } from './command.ts'
import { ownEmulator } from './own-emulator.ts'
import { type OwnService, ownService } from './own-service.ts'
import { seededDraw } from './random.ts'
import { servingFeed } from './serving-feed.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: 'string', default: '60' },
    seed: { type: 'string' },
    share: { type: 'string', default: '1' },
    points: { type: 'string', default: '5' },
    stores: { type: 'string', default: 'clickhouse,neo4j,vectors' },
  },
})
const [services, history] = positionals
const python = process.env.DELTA_RS_PYTHON
if (services === undefined || history === undefined || python === undefined)
  throw new Error('name the command that starts services and a history, and give DELTA_RS_PYTHON')
const wanted = Number(values.kills)
const points = Number(values.points)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const draw = seededDraw(seed)
const root = mkdtempSync(join(tmpdir(), 'millrace-serving-sweep-'))
const data = join(root, 'data')
const startedMs = performance.now()

const port = 20_000 + 10 * draw(900)
const stores: Record<string, OwnService> = {}
for (const [i, name] of values.stores.split(',').entries())
  if (name === 'vectors') stores.vectors = await ownEmulator({ dir: join(root, name), port: port + 3 * i })
  else if (name === 'clickhouse' || name === 'neo4j')
    stores[name] = await ownService(services, { name, dir: join(root, name), port: port + 3 * i })
  else throw new Error(`no such store: ${name}`)
// Services are no children of ours: they would outlive a check that is ended from outside.
const wipe = () => Promise.allSettled(Object.values(stores).map((store) => store.wipe()))
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void wipe().finally(() => process.exit(1)))

const env = {
  KAFKA_BROKERS: '',
  MILLRACE_LAKE: '',
  CLICKHOUSE_URL: '',
  NEO4J_URI: '',
  PINECONE_API_KEY: '',
  MILLRACE_RETRY_FOR: '2m',
  ...Object.assign({}, ...Object.values(stores).map((store) => store.env)),
} as Readonly<Record<string, string>>
const kills: Record<string, number> = { pipeline: 0 }
const pauses: Record<string, number> = {}
const count = (of: Record<string, number>, name: string) => {
  of[name] = (of[name] ?? 0) + 1
}
const runWords = (records: number) => [
  'run',
  '--all',
  '--available-now',
  '--max-records',
  String(records),
  '--workers',
  '1',
  '--data',
  data,
]

/** A run with a SIGKILL at some passage of some point, if it comes there. */
async function killPipeline(records: number): Promise<void> {
  const fault = `${faultPoints[draw(faultPoints.length)]!}:${1 + draw(4)}:kill`
  const { signal, status, errors } = await millrace(runWords(records), { ...env, MILLRACE_FAULT: fault })
  if (signal === 'SIGKILL') count(kills, 'pipeline')
  else if (status !== 0) throw new Error(`run with fault ${fault} ended with ${status}:\n${errors}`)
}

/** A run that loses one of the stores, and gets it back. It may go on or give up. */
async function killStore(records: number): Promise<void> {
  const [name, store] = Object.entries(stores)[draw(Object.keys(stores).length)]!
  const running = millrace(runWords(records), env)
  await sleep(800 + draw(4000))
  if (running.child.exitCode === null) {
    if (draw(4) === 0) {
      count(pauses, name)
      await store.pause()
      await sleep(1000 + draw(3000))
      await store.resume()
    } else {
      count(kills, name)
      await store.kill()
      await sleep(draw(1000))
      await store.start()
    }
  }
  await running
}

const reports: unknown[] = []
async function compare(): Promise<void> {
  await succeed(runWords(5000), env)
  const again = batchLines(await succeed(runWords(5000), env)).filter(({ outcome }) => outcome !== 'stopped')
  if (again.length > 0) throw new Error(`a run without news wrote ${JSON.stringify(again)}`)
  const script = join(import.meta.dirname, 'stores_equal_silver.py')
  const options = { env: { ...process.env, ...env }, cwd: join(import.meta.dirname, '..'), maxBuffer: 2 ** 26 }
  const { stdout, stderr } = await promisify(execFile)(python!, [script, join(data, 'lake')], options).catch(
    (error: { stdout: string; stderr: string }) => error,
  )
  if (stderr !== '') console.error(stderr)
  reports.push(stdout === '' ? { wrong: stderr } : JSON.parse(stdout))
}

const total = () => Object.values(kills).reduce((sum, each) => sum + each, 0)
let good = false
try {
  const feed = servingFeed(history, draw, {
    slices: Math.max(points * 2, Math.ceil(wanted / 2)),
    share: Number(values.share),
  })
  const disturb = async (target: number): Promise<void> => {
    const records = 100 + draw(400)
    for (let tries = 0; total() < target && tries < 4; tries += 1)
      await (kills.pipeline! * 2 <= total() ? killPipeline(records) : killStore(records))
  }
  for (const [i, slice] of feed.slices.entries()) {
    const file = join(root, 'slice.jsonl')
    writeFileSync(file, slice)
    await succeed(['simulate', '--history', file, '--data', data], env)
    await disturb(Math.round((wanted * (i + 1)) / feed.slices.length))
    const reached = Math.floor(((i + 1) * points) / feed.slices.length)
    if (reached > Math.floor((i * points) / feed.slices.length)) await compare()
  }
  for (let seed = 1; total() < wanted; seed += 1) {
    await succeed(['simulate', '--titles', '20', '--seed', String(seed), '--late', '0.1', '--data', data], env)
    await disturb(wanted)
  }
  await compare()
  good = reports.every((report) => (report as { wrong: unknown }).wrong === 0)
  const { slices, ...about } = feed
  console.log(
    JSON.stringify({
      check: 'serving-sweep',
      seed,
      slices: slices.length,
      ...about,
      kills: total(),
      killsOf: kills,
      pauses,
      comparisons: reports,
      seconds: Math.round((performance.now() - startedMs) / 1000),
    }),
  )
} finally {
  await wipe()
}
if (good) rmSync(root, { recursive: true, force: true })
else console.error(`kept for inspection: ${root}`)
process.exit(good ? 0 : 1)
