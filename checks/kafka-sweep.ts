/**
 * A storm over a real cluster: one to four processes share a topic of 16 partitions, records and poison keep coming, and processes are
 * killed (SIGKILL) at fault points and at any moment, stopped, and started again. In the end every table and topic holds each record once.
 *
 *   KAFKA_BROKERS=... node checks/kafka-sweep.ts [--kills 40] [--seed N] [--processes 4]
 *
 * Prints one JSON line; exit 1 if anything is lost, doubled or wrong, or if `audit` finds anything.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readConfig } from '../cli/config.ts'
import { type FaultPoint, faultPoints } from '../engine/fault-points.ts'
import { millrace, succeed } from './command.ts'
import { compareAll } from './kafka-sweep-comparison.ts'
import { openFeed } from './kafka-sweep-feed.ts'
import { writeDefinitions } from './kafka-sweep-pipelines.ts'
import { seededDraw } from './random.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '40' },
    seed: { type: 'string' },
    processes: { type: 'string', default: '4' },
  },
})
const wanted = Number(values.kills)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const slots = Number(values.processes)
const draw = seededDraw(seed)
const config = readConfig({ env: process.env })
if (config.kafka === null) throw new Error('KAFKA_BROKERS: name the cluster to storm')

const root = mkdtempSync(join(tmpdir(), 'millrace-kafka-sweep-'))
const name = `sweep-${seed}-${process.pid}`
const definitions = writeDefinitions(root, name)
const data = join(root, 'data')
const environment = { KAFKA_GROUP_PREFIX: `${name}-`, MILLRACE_RETRY_FOR: '10m' }
const feed = await openFeed({ settings: config.kafka, topic: name, output: `${name}-out`, partitions: 16 })

const kills = new Map<string, number>()
let total = 0
let rebalances = 0
const failures: string[] = []

/** Points that the pipelines of a slot pass, least hit first, so that every one is reached. */
function nextFault(slot: number): FaultPoint {
  const passed = faultPoints.filter((point) => slot === 0 || !point.startsWith('store-'))
  const least = Math.min(...passed.map((point) => kills.get(point) ?? 0))
  const candidates = passed.filter((point) => (kills.get(point) ?? 0) === least)
  return candidates[draw(candidates.length)]!
}

/** One life of one process: until its fault, a kill at any moment, a stop, or its own failure. */
async function live(slot: number): Promise<void> {
  const point = draw(4) === 0 ? null : nextFault(slot)
  const fault = point === null ? '' : `${point}:${1 + draw(4)}:kill`
  // The forwarding pipeline has one source partition: one process is enough to pass its fault points.
  const chosen =
    slot === 0 ? [definitions.append, definitions.merge, definitions.forward] : [definitions.append, definitions.merge]
  const args = [
    'run',
    ...chosen,
    '--every',
    '0.02',
    '--max-records',
    String(50 + draw(400)),
    '--workers',
    String(draw(2)),
  ]
  const running = millrace([...args, '--data', data], {
    ...environment,
    MILLRACE_FAULT: fault,
    KAFKA_GROUP_MEMBER: `slot-${slot}`,
  })
  const patienceMs = point === null ? 1_000 + draw(3_000) : 10_000
  const outcome = await Promise.race([running, sleep(patienceMs).then(() => null)])
  if (outcome === null) running.child.kill(draw(3) === 0 ? 'SIGTERM' : 'SIGKILL')
  const ended = await running
  rebalances += 1
  if (ended.signal === 'SIGKILL') {
    total += 1
    const cause = outcome === null ? 'any moment' : (point ?? 'any moment')
    kills.set(cause, (kills.get(cause) ?? 0) + 1)
  } else if (ended.status !== 0 && ended.signal !== 'SIGTERM')
    failures.push(`${ended.lines.slice(-3).join('\n')}\n${ended.errors}`)
}

async function keepAlive(slot: number): Promise<void> {
  while (total < wanted && failures.length === 0) {
    await live(slot)
    await sleep(draw(3) === 0 ? draw(2_000) : 0) // sometimes fewer processes than slots
  }
}

const feeding = feed.run(draw, () => total >= wanted || failures.length > 0)
await Promise.all(Array.from({ length: slots }, (_, slot) => keepAlive(slot)))
await feeding
const finish = ['--available-now', '--data', data]
await succeed(['run', definitions.append, definitions.merge, ...finish], environment)
await succeed(['run', definitions.forward, ...finish], environment)
const comparison = await compareAll({ dataDir: data, settings: config.kafka, topic: name, output: `${name}-out` })
const audits: number[] = []
for (const table of ['sweep/append', 'sweep/merge', 'dead_letters/sweep'])
  audits.push((await millrace(['audit', table, '--data', data])).status ?? -1)
const unreached = faultPoints.filter((point) => !kills.has(point))
const good =
  failures.length === 0 &&
  audits.every((status) => status === 0) &&
  Object.values(comparison).every(({ lost, extra }) => lost + extra === 0)
console.log(
  JSON.stringify({
    check: 'kafka-sweep',
    seed,
    kills: total,
    byPoint: Object.fromEntries(kills),
    unreached,
    lives: rebalances,
    ...comparison,
    audits,
    failures,
  }),
)
await feed.close()
if (good) rmSync(root, { recursive: true, force: true })
else console.error(`kept for inspection: ${root}`)
process.exit(good ? 0 : 1)
