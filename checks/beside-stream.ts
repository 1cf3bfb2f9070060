/**
 * Readers beside a stream: a producer, `run --all --every 1`, `serve` under load, and `search`, `olap`, `graph` and `status` as processes in
 * loops, a long question among them. Nothing may fail or end, and at the end every table and store equals that of a new data directory into
 * which the same log is worked off once. No process may have more memory resident than `--most-memory` (MiB); in a run of 20 minutes or more none may
 * grow, and silver may not take more than `--most-disk` times its live bytes.
 *
 *   node checks/beside-stream.ts [--seconds 600] [--rate 40] [--connections 4] [--loops 2] [--seed N] [--kills 0] [--stream-kills 0]
 *                                [--log-bytes N] [--most-memory 768] [--most-disk 5] [--samples FILE]
 *
 * With kills, `serve` and the stream are killed (SIGKILL) and started again so often meanwhile: each may have stores open that the other uses.
 * Requests that find nobody then are no failures. `--log-bytes` is how much of a partition of the log is kept, so that it is trimmed meanwhile.
 * Prints one JSON line; exit 1 if anything failed or differs. `--samples` is a file to which each look at memory and disk is written.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { diskUsage, inMb } from '../bench/disk-usage.ts'
import { type ProcessMemory, processMemory } from '../bench/process-memory.ts'
import { differences } from '../cli/dump.ts'
import { openDuckdb } from '../engine/duckdb.ts'
import { readers } from './beside-stream-readers.ts'
import { problemsOf, type Sample } from './beside-stream-usage.ts'
import { batchLines, type Ended, millrace, succeed } from './command.ts'
import { dumpOf } from './dump.ts'
import { linkFiles } from './link-files.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    rate: { type: 'string', default: '40' },
    connections: { type: 'string', default: '4' },
    loops: { type: 'string', default: '2' },
    seed: { type: 'string', default: '7' },
    kills: { type: 'string', default: '0' },
    'stream-kills': { type: 'string', default: '0' },
    'log-bytes': { type: 'string' },
    'most-memory': { type: 'string', default: '768' },
    'most-disk': { type: 'string', default: '5' },
    samples: { type: 'string' },
  },
})
const [seconds, rate] = [Number(values.seconds), Number(values.rate)]
const [kills, streamKills] = [Number(values.kills), Number(values['stream-kills'])]
const logBytes = values['log-bytes']
const embedded = { KAFKA_BROKERS: '', MILLRACE_LAKE: '', CLICKHOUSE_URL: '', NEO4J_URI: '', PINECONE_API_KEY: '' }
const env = { ...embedded, ...(logBytes === undefined ? {} : { MILLRACE_LOG_BYTES: logBytes }) }
const root = mkdtempSync(join(tmpdir(), 'millrace-beside-stream-'))
const [data, again] = [join(root, 'data'), join(root, 'again')]
const startedMs = performance.now()

const counts: Record<string, number> = {}
const failures: string[] = []
const count = (what: string, by = 1): void => {
  counts[what] = (counts[what] ?? 0) + by
}
const failed = (what: string): void => {
  failures.push(what)
}
let over = false

type Running = ReturnType<typeof millrace>
const start = (...words: readonly string[]): Running => millrace([...words, '--data', data], env)

/** A process that must last until it is over; it may be killed and started again. */
interface Lasting {
  readonly name: string
  readonly start: () => Running
  process: Running
  readonly killed: Set<Running>
  /** The most memory of those that were killed. */
  earlierPeakMiB: number
}

function lasting(name: string, ...words: readonly string[]): Lasting {
  const begin = () => start(...words)
  return { name, start: begin, process: begin(), killed: new Set(), earlierPeakMiB: 0 }
}

/** Ends, with a failure, if the process ends before it is over other than by our own hand. */
async function mustLast({ name, process, killed }: Lasting): Promise<void> {
  const { status, signal, lines, errors } = await process
  if (over || killed.has(process)) return new Promise(() => {})
  failed(`${name} ended with ${status ?? signal}: ${lines.at(-1) ?? ''} ${errors.slice(-2_000)}`)
}

async function stopped({ name, process }: Lasting): Promise<Ended> {
  process.child.kill('SIGINT')
  const ended = await process
  if (ended.status !== 0) failed(`${name} stopped with ${ended.status ?? ended.signal}: ${ended.errors}`)
  return ended
}

function memoryOf({ process, earlierPeakMiB }: Lasting): ProcessMemory | null {
  const now = processMemory(process.child.pid!)
  return now === null ? null : { ...now, peakMiB: Math.max(now.peakMiB, earlierPeakMiB) }
}

/** Kills a process in regular intervals and starts it again. */
async function killNowAndThen(target: Lasting, times: number, restarted: () => Promise<void>): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    await sleep((seconds * 1000) / (times + 1))
    if (over) return
    const { process } = target
    count(`kills of ${target.name}`)
    target.earlierPeakMiB = memoryOf(target)?.peakMiB ?? target.earlierPeakMiB
    target.killed.add(process)
    process.child.kill('SIGKILL')
    countBatches(await process)
    target.process = target.start()
    void mustLast(target)
    await restarted()
  }
}

function countBatches({ lines }: Ended): void {
  for (const line of batchLines(lines)) {
    count(`batches ${line.outcome}`)
    if (line.outcome === 'failed') failed(JSON.stringify(line))
  }
}

/** Where the service listens, by its first line. */
async function urlOf({ process }: Lasting): Promise<string> {
  for await (const line of createInterface(process.child.stdout!)) return (JSON.parse(line) as { url: string }).url
  throw new Error('serve printed nothing')
}

async function auditTables(names: Iterable<string>): Promise<number> {
  let audited = 0
  for (const name of names) {
    if (!name.startsWith('table:')) continue
    const { status, lines, errors } = await start('audit', name.slice('table:'.length))
    audited += 1
    if (status !== 0) failed(`audit of ${name} ended with ${status}: ${lines.at(-1)} ${errors}`)
  }
  return audited
}

const simulate = (titles: number, seed: number) => [
  'simulate',
  ...['--titles', String(titles), '--seed', String(seed)],
  ...['--duplicate', '0.05', '--late', '0.05', '--corrupt', '0.02'],
]
await succeed([...simulate(100, Number(values.seed)), '--data', data], env)
await succeed(['run', '--all', '--available-now', '--data', data], env)

const serve = lasting('serve', 'serve', '--port', '0', '--json')
let url = await urlOf(serve)
const stream = lasting('stream', 'run', '--all', '--every', '1')
const producer = start(...simulate(Math.max(200, rate * seconds), Number(values.seed) + 1), ...['--rate', String(rate)])

const samples: Sample[] = []
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: join(root, 'spill') })
const sampleEveryMs = Math.min(15_000, (seconds * 1000) / 8)

async function sample(): Promise<void> {
  await linkFiles(join(data, 'log'), join(again, 'log'))
  const memory = { stream: memoryOf(stream), serve: memoryOf(serve) }
  const taken = { seconds: elapsed(), memory, disk: await diskUsage(data, duckdb) }
  samples.push(taken)
  if (values.samples !== undefined) appendFileSync(values.samples, `${JSON.stringify(taken)}\n`)
}

async function sampleNowAndThen(): Promise<void> {
  while (!over) {
    await sample()
    await sleep(sampleEveryMs)
  }
}

function elapsed(): number {
  return Math.round((performance.now() - startedMs) / 1000)
}

mkdirSync(again, { recursive: true })
const read = readers({
  run: start,
  url: () => url,
  mayFindNobody: kills > 0,
  isOver: () => over,
  count,
  failed,
  longQuestionEveryMs: Math.min(30_000, seconds * 250),
})
const loops = [
  ...Array.from({ length: Number(values.loops) }, (_, i) => read.commands(i)),
  ...Array.from({ length: Number(values.connections) }, (_, i) => read.requests(i)),
  read.longQuestions(),
  sampleNowAndThen(),
  killNowAndThen(serve, kills, async () => {
    url = await urlOf(serve)
  }),
  killNowAndThen(stream, streamKills, async () => {}),
]
await Promise.race([sleep(seconds * 1000), mustLast(stream), mustLast(serve)])
over = true
await Promise.all(loops)
producer.child.kill('SIGINT')
await producer
await sample()
await duckdb.close()
countBatches(await stopped(stream))
await stopped(serve)
const usageProblems = problemsOf(samples, {
  memoryMiB: Number(values['most-memory']),
  diskRatio: Number(values['most-disk']),
  growth: 1.15,
})

await succeed(['run', '--all', '--available-now', '--data', data], env)
await linkFiles(join(data, 'log'), join(again, 'log'))
await succeed(['run', '--all', '--available-now', '--data', again], embedded)
const [found, expected] = [await dumpOf(data), await dumpOf(again)]
const different = differences(found, expected)
const audited = await auditTables(found.keys())
const good = failures.length === 0 && different.length === 0 && usageProblems.length === 0
const last = samples.at(-1)!
console.log(
  JSON.stringify({
    check: 'beside-stream',
    seconds,
    rate,
    seed: Number(values.seed),
    counts,
    failures: failures.length,
    failed: failures.slice(0, 5),
    usageProblems,
    memory: last.memory,
    silverRatio: Math.round(last.disk.silverRatio * 100) / 100,
    diskMb: inMb(last.disk.disk),
    audited,
    tables: found.size,
    rows: [...found.values()].reduce((sum, each) => sum + each.length, 0),
    different,
    tookSeconds: elapsed(),
  }),
)
if (good) rmSync(root, { recursive: true, force: true })
else console.error(`kept for inspection: ${root}\n${[...failures, ...usageProblems].slice(0, 20).join('\n')}`)
process.exit(good ? 0 : 1)
