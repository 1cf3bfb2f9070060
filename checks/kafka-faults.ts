/**
 * What happens to brokers while pipelines run: killed and started again, hanging, a leader lost for good, gone for longer than
 * patience lasts, and offsets beyond 2^53. After each of them the run has gone on, or ended as it should, and every table and topic
 * holds each record once.
 *
 *   node checks/kafka-faults.ts SERVICES [--seed N] [--only NAME]
 *
 * SERVICES is a command that starts, stops, kills and pauses a `kafka` of its own. Prints one JSON line; exit 1 if anything is wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openKafkaClient } from '../connectors/kafka/client.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import { succeed } from './command.ts'
import { type Brokers, ownBrokers } from './kafka-faults-brokers.ts'
import { moveOffsets } from './kafka-faults-offsets.ts'
import { endOf, type Stream, streamOf } from './kafka-faults-stream.ts'
import { compareAll } from './kafka-sweep-comparison.ts'
import { openFeed } from './kafka-sweep-feed.ts'
import { writeDefinitions } from './kafka-sweep-pipelines.ts'
import { seededDraw } from './random.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, only: { type: 'string' } },
})
const [services] = positionals
if (services === undefined) throw new Error('name the command that starts services')
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const draw = seededDraw(seed)
const root = mkdtempSync(join(tmpdir(), 'millrace-kafka-faults-'))
const partitions = 4

/** One fault, over topics and tables of its own. */
interface Case {
  readonly brokers: Brokers
  readonly topic: string
  readonly env: Readonly<Record<string, string>>
  readonly settings: KafkaSettings
  /** Arguments of `run` for all pipelines. */
  readonly run: readonly string[]
  readonly dataDir: string
}

function openCase(brokers: Brokers, name: string): Case {
  const topic = `faults-${name}`
  const dataDir = join(root, topic)
  const definitions = writeDefinitions(root, topic)
  return {
    brokers,
    topic,
    dataDir,
    run: ['run', ...Object.values(definitions), '--workers', '1', '--data', dataDir],
    env: { KAFKA_BROKERS: brokers.addresses.join(','), KAFKA_GROUP_PREFIX: `${topic}-` },
    settings: {
      brokers: brokers.addresses,
      clientId: 'kafka-faults',
      tls: null,
      sasl: null,
      groupPrefix: '',
      groupMember: null,
    },
  }
}

/** Sends records until told to stop, through every fault. */
function feed({ settings, topic }: Case): { stop(): Promise<void> } {
  let stopped = false
  const feeding = (async () => {
    while (!stopped) {
      const open = await openFeed({ settings, topic, output: `${topic}-out`, partitions }).catch(() => null)
      await open?.run(draw, () => stopped).catch(() => {}) // the broker is gone: a producer of another number goes on
      await open?.close()
      await sleep(100)
    }
  })()
  return {
    stop() {
      stopped = true
      return feeding
    },
  }
}

/**
 * What a broker without replicas is killed under: when it comes back it may lose the markers of a transaction that was just committed
 * (Kafka 4.3), so that the one that writes to a topic would stop and say so.
 */
function withoutForward({ run, ...rest }: Case): Case {
  return { ...rest, run: run.filter((word) => !word.endsWith('forward.ts')) }
}

/** Rows lost or doubled after the rest has been worked off. */
async function settle(its: Case): Promise<Readonly<Record<string, number>>> {
  const [append, merge, forward, ...rest] = its.run.slice(1)
  const { env } = its
  await succeed(['run', append!, merge!, '--available-now', ...rest], env)
  await succeed(['run', forward!, '--available-now', ...rest], env)
  const compared = await compareAll({ ...its, output: `${its.topic}-out` })
  const wrong = Object.values(compared).reduce((sum, { lost, extra }) => sum + lost + extra, 0)
  if (wrong > 0 || compared.append!.rows === 0) throw new Error(`tables differ: ${JSON.stringify(compared)}`)
  return { rows: compared.append!.rows, deadLetters: compared.deadLetters!.rows }
}

type Report = Readonly<Record<string, unknown>>

/** A stream that must go on after `fault`, and end well when asked to. */
async function survives(its: Case, fault: (running: Stream) => Promise<void>, streamed = its): Promise<Report> {
  const feeding = feed(its)
  const running = streamOf(streamed)
  try {
    await running.more('committed', 5)
    await fault(running)
    await running.more('committed', 10)
  } finally {
    running.stop()
    await feeding.stop()
  }
  const { status, errors } = await endOf(running)
  if (status !== 0 || /^ +at /m.test(errors)) throw new Error(`the run ended with ${status}:\n${errors}`)
  return { retried: running.printed('retried'), ...(await settle(its)) }
}

const port = 20_000 + 300 * draw(30) // below the ports that systems give away
const one = ownBrokers({ services, dir: join(root, 'one'), port, nodes: 1 })
const three = ownBrokers({ services, dir: join(root, 'three'), port: port + 150, nodes: 3 })

async function stopBrokers(): Promise<void> {
  for (const brokers of [one, three]) await brokers.stop()
}

// Brokers are no children of ours: they would outlive a check that is ended from outside.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stopBrokers().finally(() => process.exit(1)))

const cases: Readonly<Record<string, () => Promise<Report>>> = {
  restart() {
    const its = openCase(one, 'restart')
    const fault = async (running: Stream) => {
      await one.kill()
      await running.more('retried', 3)
      await one.start()
    }
    return survives(its, fault, withoutForward(its))
  },
  pause: () =>
    survives(openCase(one, 'pause'), async (running) => {
      await one.pause()
      await running.more('retried', 2)
      await one.resume()
    }),
  async gone() {
    const its = openCase(one, 'gone')
    const feeding = feed(its)
    const running = streamOf(withoutForward(its), { MILLRACE_RETRY_FOR: '3s' })
    await running.more('committed', 5)
    await one.kill()
    const { status, errors } = await endOf(running)
    await one.start()
    await feeding.stop()
    const lines = errors.trimEnd().split('\n')
    const pipeline =
      /^millrace: pipeline \S+ failed: .*kafka: .*127\.0\.0\.1:\d+.*\(gave up after \d+ tries in \d+ m?s\)$/
    const clear =
      lines.length === 3 &&
      lines.slice(0, 2).every((line) => pipeline.test(line)) &&
      /^millrace: 2 of 2 pipelines failed: /.test(lines[2]!)
    if (status !== 1 || !clear) throw new Error(`the run ended with ${status}:\n${errors}`)
    return { message: lines[0], ...(await settle(its)) }
  },
  async leader() {
    await one.stop()
    await three.start()
    const its = openCase(three, 'leader')
    const report = await survives(its, async () => {
      const client = openKafkaClient(its.settings)
      const leader = (await client.topics([its.topic])).get(its.topic)!.leaders[0]!
      await client.close()
      three.killNode(leader)
    })
    await three.stop()
    return report
  },
  async offsets() {
    const its = openCase(one, 'offsets')
    const first = 2n ** 53n + 1_000_001n
    const fill = async () => {
      let rounds = 0
      const open = await openFeed({ ...its, output: `${its.topic}-out`, partitions })
      await open.run(draw, () => ++rounds > 20)
      await open.close()
    }
    await fill()
    await one.stop()
    moveOffsets(one.dataDir(1), its.topic, first)
    await one.start()
    const before = await settle(its)
    await fill()
    const after = await settle(its)
    await succeed(['audit', 'sweep/append', '--rows', '--data', its.dataDir], its.env)
    return { first: String(first), before: before.rows, ...after }
  },
}

const reports: Record<string, Report> = {}
let failed = 0
try {
  for (const [name, run] of Object.entries(cases)) {
    if (values.only !== undefined && values.only !== name) continue
    await one.start()
    const startedMs = performance.now()
    reports[name] = await run().catch((error: unknown) => {
      failed += 1
      return { error: String(error) }
    })
    reports[name] = { ...reports[name], seconds: Math.round((performance.now() - startedMs) / 1000) }
    console.error(`${name}: ${JSON.stringify(reports[name])}`)
  }
} finally {
  await stopBrokers()
}
console.log(JSON.stringify({ check: 'kafka-faults', seed, ...reports }))
if (failed === 0) rmSync(root, { recursive: true, force: true })
else console.error(`kept for inspection: ${root}`)
process.exit(failed === 0 ? 0 : 1)
