/**
 * Readers beside a stream: a producer, `run --all --every 1`, `serve` under load, and `search`, `olap`, `graph` and `status` as processes in
 * loops, a long question among them. Nothing may fail or end, and at the end every table and store equals that of a new data directory into
 * which the same log is worked off once.
 *
 *   node checks/beside-stream.ts [--seconds 600] [--rate 40] [--connections 4] [--loops 2] [--seed N] [--kills 0]
 *
 * With kills, `serve` is killed (SIGKILL) and started again so often meanwhile: it may have stores open through which the stream writes. Requests
 * that find nobody then are no failures.
 * Prints one JSON line; exit 1 if anything failed or differs.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { differences } from '../cli/dump.ts'
import { batchLines, type Ended, millrace, succeed } from './command.ts'
import { dumpOf } from './dump.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    rate: { type: 'string', default: '40' },
    connections: { type: 'string', default: '4' },
    loops: { type: 'string', default: '2' },
    seed: { type: 'string', default: '7' },
    kills: { type: 'string', default: '0' },
  },
})
const [seconds, rate, kills] = [Number(values.seconds), Number(values.rate), Number(values.kills)]
const env = { KAFKA_BROKERS: '', MILLRACE_LAKE: '', CLICKHOUSE_URL: '', NEO4J_URI: '', PINECONE_API_KEY: '' }
const root = mkdtempSync(join(tmpdir(), 'millrace-beside-stream-'))
const data = join(root, 'data')
const startedMs = performance.now()

const counts: Record<string, number> = {}
const failures: string[] = []
const count = (what: string): void => {
  counts[what] = (counts[what] ?? 0) + 1
}
let over = false
/** Of processes that had to last, and would have to be started again. */
let restarts = 0

type Running = ReturnType<typeof millrace>
const killed = new Set<Running>()
const start = (...words: readonly string[]): Running => millrace([...words, '--data', data], env)

/** Ends with a failure if the process ends before `over`, other than by our own hand. */
async function mustLast(name: string, process: Running): Promise<void> {
  const { status, signal, lines, errors } = await process
  if (over || killed.has(process)) return
  restarts += 1
  failures.push(`${name} ended with ${status ?? signal}: ${lines.at(-1) ?? ''} ${errors.slice(-2_000)}`)
}

async function stopped(name: string, process: Running): Promise<Ended> {
  process.child.kill('SIGINT')
  const ended = await process
  if (ended.status !== 0) failures.push(`${name} stopped with ${ended.status ?? ended.signal}: ${ended.errors}`)
  return ended
}

/** The most memory that a process has had. */
function peakMib({ child }: Running): number | null {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))
    return found === null ? null : Math.round(Number(found[1]) / 1024)
  } catch {
    return null // no such system, or no such process
  }
}

/** Takes seconds of one core, and reads the store. */
const longQuestion =
  'SELECT count(*) AS n FROM people a, range(60000) b, range(60) c WHERE a.popularity + b.range > c.range'
const commands: readonly (readonly [name: string, ...words: string[]])[] = [
  ['search', 'search', 'a detective', '--top', '1'],
  ['olap', 'olap', 'runtimes'],
  ['graph', 'graph', 'hubs', '--top', '1'],
  ['status', 'status', '--json'],
]

async function command(name: string, words: readonly string[]): Promise<void> {
  const { status, signal, lines, errors } = await start(...words)
  count(name)
  if (status !== 0) failures.push(`${name} ended with ${status ?? signal}: ${errors}`)
  for (const line of lines) if (/"section":"problems"/.test(line)) failures.push(`${name}: ${line}`)
}

async function commandLoop(first: number): Promise<void> {
  for (let i = first; !over; i += 1) {
    const [name, ...words] = commands[i % commands.length]!
    await command(name, words)
  }
}

async function longQuestions(): Promise<void> {
  while (!over) {
    await command('long olap', ['olap', longQuestion])
    await sleep(Math.min(30_000, seconds * 250))
  }
}

const addresses = ['/search?text=a+detective&top=1', '/olap/runtimes', '/graph/hubs?top=1', '/olap/best-rated']

async function requestLoop(first: number): Promise<void> {
  for (let i = first; !over; i += 1) {
    const address = addresses[i % addresses.length]!
    try {
      const response = await fetch(url + address)
      const body = await response.text()
      count(`GET ${address.split('?')[0]}`)
      if (!response.ok) failures.push(`GET ${address} answered ${response.status}: ${body}`)
    } catch (error) {
      if (kills === 0) failures.push(`GET ${address} failed: ${error}`)
      else {
        count('requests that found nobody')
        await sleep(100)
      }
    }
  }
}

/** Where the service listens, by its first line. */
async function urlOf(service: Running): Promise<string> {
  for await (const line of createInterface(service.child.stdout!)) return (JSON.parse(line) as { url: string }).url
  throw new Error('serve printed nothing')
}

async function auditTables(names: Iterable<string>): Promise<number> {
  let audited = 0
  for (const name of names) {
    if (!name.startsWith('table:')) continue
    const { status, lines, errors } = await start('audit', name.slice('table:'.length))
    audited += 1
    if (status !== 0) failures.push(`audit of ${name} ended with ${status}: ${lines.at(-1)} ${errors}`)
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

let serve = start('serve', '--port', '0', '--json')
let url = await urlOf(serve)

/** Kills the service in regular intervals; one that lives is left. */
async function killService(): Promise<void> {
  for (let i = 0; i < kills; i += 1) {
    await sleep((seconds * 1000) / (kills + 1))
    if (over) return
    count('kills of serve')
    killed.add(serve)
    serve.child.kill('SIGKILL')
    await serve
    serve = start('serve', '--port', '0', '--json')
    void mustLast('serve', serve)
    url = await urlOf(serve)
  }
}

const stream = start('run', '--all', '--every', '1')
const producer = start(...simulate(Math.max(200, rate * seconds), Number(values.seed) + 1), ...['--rate', String(rate)])
const streaming = mustLast('stream', stream)
const serving = mustLast('serve', serve)
const loops = [
  ...Array.from({ length: Number(values.loops) }, (_, i) => commandLoop(i)),
  ...Array.from({ length: Number(values.connections) }, (_, i) => requestLoop(i)),
  longQuestions(),
  killService(),
]
await Promise.race([sleep(seconds * 1000), streaming, ...(kills === 0 ? [serving] : [])])
over = true
const peaks = { stream: peakMib(stream), serve: peakMib(serve) }
await Promise.all(loops)
producer.child.kill('SIGINT')
await producer
const lines = batchLines((await stopped('stream', stream)).lines)
await stopped('serve', serve)
for (const line of lines) count(`batches ${line.outcome}`)
for (const line of lines) if (line.outcome === 'failed') failures.push(JSON.stringify(line))

await succeed(['run', '--all', '--available-now', '--data', data], env)
const again = join(root, 'again')
cpSync(join(data, 'log'), join(again, 'log'), { recursive: true })
await succeed(['run', '--all', '--available-now', '--data', again], env)
const [found, expected] = [await dumpOf(data), await dumpOf(again)]
const different = differences(found, expected)
const audited = await auditTables(found.keys())
const good = failures.length === 0 && different.length === 0
console.log(
  JSON.stringify({
    check: 'beside-stream',
    seconds,
    rate,
    seed: Number(values.seed),
    counts,
    failures: failures.length,
    failed: failures.slice(0, 5),
    restarts,
    peakMib: peaks,
    audited,
    tables: found.size,
    rows: [...found.values()].reduce((sum, each) => sum + each.length, 0),
    different,
    tookSeconds: Math.round((performance.now() - startedMs) / 1000),
  }),
)
if (good) rmSync(root, { recursive: true, force: true })
else console.error(`kept for inspection: ${root}\n${failures.slice(0, 20).join('\n')}`)
process.exit(good ? 0 : 1)
