/**
 * What a stream of small updates leaves on the disk. A producer sends to the topics at a steady rate beside `run --all`; every
 * few seconds the live bytes of the tables and the bytes in each folder of the data directory are printed as one JSON line,
 * and at the end their ratios.
 *
 *   node bench/disk-growth.ts [--seconds 240] [--rate 150] [--every 1] [--titles 15000] [--retention 1m]
 *                             [--sample 15] [--most 5] [--keep DIR]
 *
 * With `--retention` all that is kept for a time is kept for that time instead, so that a few minutes show what hours of
 * the defaults do. Exit 1 if silver takes more than `--most` times its live bytes at the end, or a process fails.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openDuckdb } from '../engine/duckdb.ts'
import { diskUsage, inMb } from './disk-usage.ts'
import { machineFacts } from './machine.ts'
import { processMemory } from './process-memory.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '240' },
    rate: { type: 'string', default: '150' },
    every: { type: 'string', default: '1' },
    titles: { type: 'string', default: '15000' },
    sample: { type: 'string', default: '15' },
    most: { type: 'string', default: '5' },
    retention: { type: 'string' },
    keep: { type: 'string' },
  },
})
const dir = values.keep ?? (await mkdtemp(join(tmpdir(), 'millrace-disk-growth-')))
const data = join(dir, 'data')
const main = join(import.meta.dirname, '..', 'cli', 'main.ts')
await mkdir(data, { recursive: true })
console.log(JSON.stringify({ bench: 'disk growth', machine: machineFacts(), ...values }))
const retention = values.retention === undefined ? {} : { MILLRACE_RETENTION: values.retention }
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: join(dir, 'spill') })
const producer = start(
  'simulate',
  '--titles',
  values.titles,
  '--rate',
  values.rate,
  '--late',
  '0.05',
  '--duplicate',
  '0.05',
)
const stream = start('run', '--all', '--every', values.every)
const startedMs = Date.now()
let wrong = false
let stopped = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    stopped = true
  })
try {
  while (Date.now() - startedMs < Number(values.seconds) * 1000 && stream.exitCode === null && !stopped) {
    await pause(Number(values.sample))
    console.log(JSON.stringify(await sample()))
  }
} finally {
  wrong = !(await ended(producer)) || wrong
  wrong = !(await ended(stream)) || wrong
}
const last = await sample()
console.log(JSON.stringify({ ...last, end: true }))
wrong ||= last.ratio > Number(values.most)
await duckdb.close()
if (values.keep === undefined) await rm(dir, { recursive: true, force: true })
process.exit(wrong ? 1 : 0)

/** Ends early when the bench is stopped, so that its processes are. */
async function pause(seconds: number): Promise<void> {
  for (let slept = 0; slept < seconds && !stopped; slept++) await sleep(1000)
}

interface Started {
  readonly child: ChildProcess
  readonly name: string
  exitCode: number | null
}

function start(name: string, ...args: string[]): Started {
  const env = { ...process.env, ...retention }
  const child = spawn(process.execPath, [main, name, ...args, '--data', data], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const started: Started = { child, name, exitCode: null }
  const output: Buffer[] = []
  child.stdout!.on('data', () => {})
  child.stderr!.on('data', (chunk: Buffer) => output.push(chunk))
  child.on('exit', (code) => {
    started.exitCode = code ?? -1
    if (output.length > 0) void writeFile(join(dir, `${name}.err`), Buffer.concat(output))
    if (code !== 0) console.error(`${name} ended with ${code}: ${Buffer.concat(output).toString('utf8').slice(-2000)}`)
  })
  return started
}

/** Asks a process to end and waits for it; whether it ended well. */
async function ended(process: Started): Promise<boolean> {
  if (process.exitCode === null) process.child.kill('SIGINT')
  while (process.exitCode === null) await sleep(50)
  return process.exitCode === 0 || (process.name === 'simulate' && process.exitCode === 130)
}

async function sample() {
  const { versions, live, disk, silverRatio } = await diskUsage(data, duckdb)
  return {
    seconds: Math.round((Date.now() - startedMs) / 1000),
    ratio: Math.round(silverRatio * 100) / 100,
    versions,
    live: inMb(live),
    disk: inMb(disk),
    residentMiB: processMemory(stream.child.pid!)?.residentMiB ?? null,
  }
}
