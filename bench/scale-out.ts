/**
 * Scale-out: the bronze pipeline of one process and of several that share a topic's partitions, each process held to the same part of a core, so that
 * they are not in each other's way however few cores there are. One JSON line.
 *
 *   node bench/scale-out.ts [--records 600000] [--core 0.4] [--processes 2] [--batch 40000]
 *
 * Rates are counted from the moment that every process has committed twice to the moment that one has its last. Needs KAFKA_BROKERS and the right to make
 * control groups (Linux, root).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { type BenchTopic, benchPartitions, createBenchTopic } from './bench-topic.ts'
import { cpuSecondsOf } from './broker-cpu.ts'
import { type CpuShare, cpuShare } from './cpu-share.ts'
import { manySmallDocuments } from './documents.ts'
import { machineFacts } from './machine.ts'
import { cluster } from './options.ts'
import { rounded } from './quantile.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '600000' },
    core: { type: 'string', default: '0.4' },
    processes: { type: 'string', default: '2' },
    batch: { type: 'string', default: '40000' },
  },
})
const [records, core, processes] = [Number(values.records), Number(values.core), Number(values.processes)]
const kafka = cluster()
if (kafka === null) throw new Error('set KAFKA_BROKERS')
const root = mkdtempSync(join(tmpdir(), 'millrace-scale-out-'))
const checkout = join(import.meta.dirname, '..')

const words = ['run', '--every', '0.05', '--workers', '1', '--max-records', values.batch]

/** A commit of one of the processes. */
interface Commit {
  readonly member: number
  readonly atMs: number
  readonly rows: number
}

interface Rate {
  readonly recordsPerSecond: number
  readonly seconds: number
  readonly commits: number
  /** Of a core, by each process, from its start to the end. */
  readonly coresUsed: readonly number[]
}

/** From an empty lake on, until every record is in the table. */
async function rateOf(members: number, topic: BenchTopic): Promise<Rate> {
  const dir = join(root, `of-${members}`)
  mkdirSync(dir)
  const definition = join(dir, 'bronze.ts')
  writeFileSync(
    definition,
    `import { kafka } from '${checkout}/connectors/index.ts'
import { bronze } from '${checkout}/pipelines/entertainment/bronze.ts'
const pipeline = bronze('movies')
const sources = Object.fromEntries(Object.keys(pipeline.sources).map((name) => [name, kafka({ topic: '${topic.name}' })]))
export default { ...pipeline, sources }
`,
  )
  const commits: Commit[] = []
  const startedMs = performance.now()
  const shares = Array.from({ length: members }, (_, i) => cpuShare(`millrace-scale-out-${process.pid}-${i}`, core))
  const running = shares.map((share, member) =>
    start(share, [...words, definition, '--data', join(dir, 'data')], {
      env: { KAFKA_GROUP_PREFIX: `${topic.name}-${members}-`, KAFKA_GROUP_MEMBER: `member-${member}` },
      committed: (rows) => commits.push({ member, atMs: performance.now(), rows }),
    }),
  )
  try {
    while (commits.reduce((sum, { rows }) => sum + rows, 0) < records) {
      const ended = running.find(hasEnded)
      if (ended !== undefined) throw new Error(`a process ended with ${ended.exitCode ?? ended.signalCode}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const wallSeconds = (performance.now() - startedMs) / 1000
    const coresUsed = running.map(({ pid }) => rounded(cpuSecondsOf(pid!) / wallSeconds, 2))
    return { ...within(commits, members), coresUsed }
  } finally {
    await Promise.all(
      running.map(async (child) => {
        if (hasEnded(child)) return
        child.kill('SIGTERM')
        await once(child, 'close')
      }),
    )
    for (const share of shares) share.remove()
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

function within(commits: readonly Commit[], members: number) {
  const own = (member: number) => commits.filter((commit) => commit.member === member)
  const each = Array.from({ length: members }, (_, member) => own(member))
  const fromMs = Math.max(...each.map((of) => of[1]?.atMs ?? Number.POSITIVE_INFINITY))
  const toMs = Math.min(...each.map((of) => of.at(-1)?.atMs ?? 0))
  if (toMs <= fromMs) throw new Error('too few commits to tell a rate (give more records, or smaller batches)')
  const counted = commits.filter(({ atMs }) => atMs > fromMs && atMs <= toMs)
  const seconds = (toMs - fromMs) / 1000
  const rows = counted.reduce((sum, commit) => sum + commit.rows, 0)
  return { recordsPerSecond: Math.round(rows / seconds), seconds: rounded(seconds, 1), commits: counted.length }
}

function start(
  share: CpuShare,
  args: readonly string[],
  told: { readonly env: Readonly<Record<string, string>>; readonly committed: (rows: number) => void },
): ChildProcess {
  const command = [process.execPath, join(checkout, 'cli/main.ts'), ...args]
  const child = spawn('sh', ['-c', `echo $$ > "${share.join}" && exec "$@"`, 'sh', ...command], {
    env: { ...process.env, ...told.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  createInterface(child.stdout).on('line', (line) => {
    const { outcome, rowsIn } = JSON.parse(line) as { readonly outcome?: string; readonly rowsIn?: number }
    if (outcome === 'committed' && rowsIn !== undefined) told.committed(rowsIn)
  })
  return child
}

const topic = await createBenchTopic(kafka)
try {
  await topic.fill(manySmallDocuments(), records)
  const alone = await rateOf(1, topic)
  const together = await rateOf(processes, topic)
  console.log(
    JSON.stringify({
      bench: 'scale-out',
      machine: machineFacts(),
      records,
      partitions: benchPartitions,
      coresEach: core,
      recordsPerBatch: Number(values.batch),
      alone,
      processes,
      together,
      timesAsFast: rounded(together.recordsPerSecond / alone.recordsPerSecond, 2),
    }),
  )
} finally {
  await topic.remove()
  rmSync(root, { recursive: true, force: true })
}
