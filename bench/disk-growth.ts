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
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import { listTables } from '../connectors/delta/list-tables.ts'
import { localStore } from '../connectors/storage/local.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import { openDuckdb } from '../engine/duckdb.ts'
import { machineFacts } from './machine.ts'

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
  const store = localStore(join(data, 'lake'))
  const live: Record<string, number> = {}
  const disk: Record<string, number> = {}
  let versions = 0n
  for (const path of await listTables(store)) {
    const parts = { store, duckdb: async () => duckdb, clock: systemClock, ids: systemIds, stagingDir: dir }
    const snapshot = await openDeltaTable({ ...parts, path }).snapshot()
    let bytes = 0
    for (const add of (await snapshot?.files())?.values() ?? []) bytes += Number(add.size)
    const group = path.split('/')[0]!
    live[group] = (live[group] ?? 0) + bytes
    if (group === 'silver') versions += snapshot?.version ?? 0n
    disk[group] = (disk[group] ?? 0) + (await bytesBelow(join(data, 'lake', path), /^(?!_)/))
    for (const name of ['_delta_log', '_change_data'])
      disk[`${group}${name}`] = (disk[`${group}${name}`] ?? 0) + (await bytesBelow(join(data, 'lake', path, name)))
  }
  for (const folder of ['log', 'stores', 'cache', 'tmp']) disk[folder] = await bytesBelow(join(data, folder))
  for (const file of await readdir(join(data, 'stores')).catch(() => []))
    disk[`stores/${file}`] = await bytesBelow(join(data, 'stores', file))
  const silver = (disk.silver ?? 0) + (disk.silver_delta_log ?? 0) + (disk.silver_change_data ?? 0)
  return {
    seconds: Math.round((Date.now() - startedMs) / 1000),
    ratio: round(silver / Math.max(1, live.silver ?? 0)),
    versions: Number(versions),
    live: inMb(live),
    disk: inMb(disk),
    residentMiB: residentMiB(stream.child.pid),
  }
}

/** Bytes that a file, or what lies in a folder, takes of the disk; names at the top may be left out. */
async function bytesBelow(path: string, top = /^/): Promise<number> {
  const info = await stat(path).catch(() => null)
  if (info === null) return 0
  if (!info.isDirectory()) return info.blocks * 512
  let bytes = 0
  for (const name of await readdir(path).catch(() => []))
    if (top.test(name)) bytes += await bytesBelow(join(path, name))
  return bytes
}

function inMb(bytes: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, round(value / 1e6)]))
}

function residentMiB(pid: number | undefined): number | null {
  try {
    const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kib === undefined ? null : Math.round(Number(kib) / 1024)
  } catch {
    return null // another system than Linux, or it has ended
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
