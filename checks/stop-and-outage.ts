/**
 * The platform as a stream on a broker that goes away for 20 s: every pipeline lives, and nothing is lost or doubled. And a stop signal in
 * every state that hangs: the process ends within 10 s.
 *
 *   node checks/stop-and-outage.ts SERVICES [--only NAME]
 *
 * SERVICES is a command that starts, stops, kills and pauses a `kafka` of its own. Prints one JSON line; exit 1 if anything is wrong.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { millrace, succeed } from './command.ts'
import { ownBrokers } from './kafka-faults-brokers.ts'
import { endOf, type Stream, streamOf } from './kafka-faults-stream.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } })
const [services] = positionals
if (services === undefined) throw new Error('name the command that starts services')
const root = mkdtempSync(join(tmpdir(), 'millrace-stop-'))
const port = 26_000 + Math.floor(Math.random() * 2_000)
const broker = ownBrokers({ services, dir: join(root, 'broker'), port, nodes: 1 })
const away = 20_000
const longestStopMs = 10_000

// Brokers are no children of ours: they would outlive a check that is ended from outside.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void broker.stop().finally(() => process.exit(1)))

type Report = Readonly<Record<string, unknown>>

const env = { KAFKA_BROKERS: broker.addresses.join(','), KAFKA_GROUP_PREFIX: `stop-${port}-` }
const dataDir = (name: string) => join(root, name)
const bronze = ['movies', 'tv_series', 'people']

/** Sends a small catalogue; how many records that were. */
async function send(seed: number): Promise<number> {
  const words = ['simulate', '--titles', '40', '--seed', String(seed), '--json', '--data', dataDir('sender')]
  const [line] = await succeed(words, env)
  const { topics } = JSON.parse(line ?? '{}') as { topics: Readonly<Record<string, number>> }
  return Object.values(topics).reduce((sum, records) => sum + records, 0)
}

/** Rows that bronze has got; throws where positions have a gap or overlap, or a row is not in its place. */
async function rowsIn(data: string): Promise<number> {
  let rows = 0
  for (const table of bronze) {
    await succeed(['audit', `bronze/${table}`, '--rows', '--data', data], env)
    rows += (
      await succeed(
        ['tables', 'show', `bronze/${table}`, '--limit', '1000000', '--columns', 'offset', '--json', '--data', data],
        env,
      )
    ).length
  }
  return rows
}

async function outage(): Promise<Report> {
  const data = dataDir('outage')
  let sent = await send(1)
  const running = streamOf({ run: ['run', '--all', '--workers', '1', '--data', data], env })
  await running.more('committed', 10)
  await broker.kill()
  await sleep(away)
  const retried = running.printed('retried')
  await broker.start()
  sent += await send(2)
  await running.more('committed', 10)
  running.stop()
  const { status, errors } = await endOf(running)
  if (status !== 0 || running.printed('failed') > 0 || retried === 0)
    throw new Error(`ended with ${status}, retried ${retried}, failed ${running.printed('failed')}:\n${errors}`)
  await succeed(['run', '--all', '--available-now', '--workers', '1', '--data', data], env)
  const rows = await rowsIn(data)
  const letters = sent - rows // nothing is damaged, so none is a dead letter
  if (letters !== 0) throw new Error(`${sent} records were sent, and bronze has ${rows}`)
  return { sent, rows, retried }
}

/** How long a process takes to end after a stop signal. */
async function stopped(
  what: { readonly child: { kill(signal: NodeJS.Signals): unknown } } & Promise<{
    readonly status: number | null
    readonly errors: string
  }>,
): Promise<number> {
  const startedMs = performance.now()
  what.child.kill('SIGTERM')
  const late = setTimeout(() => what.child.kill('SIGKILL'), 60_000)
  const { status, errors } = await what
  clearTimeout(late)
  const ms = Math.round(performance.now() - startedMs)
  if (ms > longestStopMs || status === null || /^ +at /m.test(errors))
    throw new Error(`ended with ${status} after ${ms} ms:\n${errors}`)
  return ms
}

const stream = (name: string) => streamOf({ run: ['run', '--all', '--workers', '1', '--data', dataDir(name)], env })

async function stopStream(running: Stream): Promise<number> {
  const startedMs = performance.now()
  running.stop()
  const { status, errors } = await endOf(running)
  const ms = Math.round(performance.now() - startedMs)
  if (ms > longestStopMs || status !== 0) throw new Error(`ended with ${status} after ${ms} ms:\n${errors}`)
  return ms
}

/** A stream that has read something, then what befalls it. */
async function whileStreaming(name: string, befalls: (running: Stream) => Promise<void>): Promise<number> {
  await send(1)
  const running = stream(name)
  await running.more('committed', 3)
  await befalls(running)
  return stopStream(running)
}

async function stops(): Promise<Report> {
  const reports: Record<string, number> = {}
  reports.waiting = await whileStreaming('waiting', () => sleep(3_000))
  reports.hanging = await whileStreaming('hanging', async () => {
    await broker.pause()
    await sleep(3_000)
  })
  const opening = millrace(['run', '--all', '--workers', '1', '--every', '1', '--data', dataDir('opening')], env)
  await sleep(4_000)
  reports.opening = await stopped(opening)
  const sending = millrace(['simulate', '--titles', '5000', '--data', dataDir('sender')], env)
  await sleep(4_000)
  reports.sending = await stopped(sending)
  await broker.resume()
  reports.retrying = await whileStreaming('retrying', async (running) => {
    await broker.kill()
    await running.more('retried', 3)
  })
  await broker.start()
  const serving = millrace(['serve', '--port', '0', '--data', dataDir('waiting')])
  await sleep(4_000)
  reports.serving = await stopped(serving)
  return reports
}

const cases: Readonly<Record<string, () => Promise<Report>>> = { outage, stops }
const reports: Record<string, Report> = {}
let failed = 0
try {
  await broker.start()
  for (const [name, run] of Object.entries(cases)) {
    if (values.only !== undefined && values.only !== name) continue
    reports[name] = await run().catch((error: unknown) => {
      failed += 1
      return { error: String(error) }
    })
    console.error(`${name}: ${JSON.stringify(reports[name])}`)
  }
} finally {
  await broker.resume().catch(() => {})
  await broker.stop()
}
console.log(JSON.stringify({ check: 'stop-and-outage', ...reports }))
if (failed === 0) rmSync(root, { recursive: true, force: true })
else console.error(`kept for inspection: ${root}`)
process.exit(failed === 0 ? 0 : 1)
