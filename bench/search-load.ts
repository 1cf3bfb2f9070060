/**
 * Searches a second by `millrace serve`, over made-up titles. So many connections put their next question as soon as they have the answer to the last
 * one. The service is a process of its own. One JSON line: requests a second, latencies, how many titles an answer has, CPU time per request of the service and of this
 * process, which asks, memory of the service, and how long the first request took, which waits until the vectors are read. With `--hang-up` also how
 * long one request takes after a thousand that hung up.
 *
 *   node bench/search-load.ts [--vectors 10000] [--connections 32] [--seconds 10] [--questions 100000] [--filters] [--hang-up]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { foldersOf } from '../cli/folders.ts'
import { vectorsSink } from '../connectors/local-vectors/sink.ts'
import { writeParquet } from '../engine/batch/parquet.ts'
import { systemClock } from '../engine/clock.ts'
import { openDuckdb } from '../engine/duckdb.ts'
import { duckdbStore } from '../engine/duckdb-store.ts'
import { localEmbedder } from '../operators/embedders/local.ts'
import { type HttpAnswer, type HttpConnection, openHttpConnection } from './http-connection.ts'
import { machineFacts } from './machine.ts'
import { question, titles } from './made-up-titles.ts'
import { processMemory } from './process-memory.ts'
import { quantile, rounded } from './quantile.ts'

const { values } = parseArgs({
  options: {
    vectors: { type: 'string', default: '10000' },
    connections: { type: 'string', default: '32' },
    seconds: { type: 'string', default: '10' },
    questions: { type: 'string', default: '100000' },
    filters: { type: 'boolean', default: false },
    'hang-up': { type: 'boolean', default: false },
  },
})
const [vectors, connections] = [Number(values.vectors), Number(values.connections)]
const [seconds, questions] = [Number(values.seconds), Number(values.questions)]
const vectorsPerBatch = 10_000
/** Of so many answers one is read. */
const answersPerLook = 20
async function fill(dir: string): Promise<void> {
  const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 30, threads: 2, tempDir: join(dir, 'spill') })
  const path = join(foldersOf(dir).storesDir, 'vectors.duckdb')
  const store = duckdbStore({ path, duckdb: async () => duckdb })
  const description = { namespace: 'movies', upserts: 'rows', embedder: 'local' }
  const sink = vectorsSink({
    store,
    duckdb: async () => duckdb,
    description,
    embedder: localEmbedder,
    clock: systemClock,
  })
  for (let from = 0; from < vectors; from += vectorsPerBatch) {
    const file = join(dir, `${from}.parquet`)
    const parquet = await writeParquet([await titles(from, Math.min(vectors, from + vectorsPerBatch))], file)
    await sink.commit({
      pipeline: 'bench',
      txnId: `t${from}`,
      fingerprint: 'f',
      ranges: [{ sourcePartition: 'silver', start: BigInt(from), end: BigInt(from + vectorsPerBatch) }],
      initial: new Map(),
      outputs: new Map([['rows', [parquet]]]),
      columns: new Map(),
      signal: new AbortController().signal,
    })
  }
  await store.release()
  await duckdb.close()
}

async function startServe(dir: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const args = [join(import.meta.dirname, '../cli/main.ts'), 'serve', '--port', '0', '--json', '--data', dir]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, MILLRACE_MEMORY_LIMIT_MIB: '4096' },
  })
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  return { child, url: (JSON.parse(line) as { readonly url: string }).url }
}

/** CPU seconds and resident memory of a process, where `/proc` tells of it. */
function usage(pid: number): { readonly cpuSeconds: number; readonly memoryMiB: number } {
  try {
    const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
    const fields = rest.split(' ')
    const memoryMiB = processMemory(pid)?.residentMiB ?? Number.NaN
    return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, memoryMiB }
  } catch {
    return { cpuSeconds: Number.NaN, memoryMiB: Number.NaN }
  }
}

function pathOf(i: number): string {
  const narrowed = values.filters ? `&genre=genre+${i % 19}&year=${1900 + (i % 100)}-` : ''
  return `/search?text=${encodeURIComponent(question(i % questions))}&top=10${narrowed}`
}

interface Load {
  readonly ms: readonly number[]
  readonly refused: number
  /** In the answers that were looked at. */
  readonly foundPerAnswer: number
  readonly seconds: number
}

async function load(url: string): Promise<Load> {
  const open = await Promise.all(Array.from({ length: connections }, () => openHttpConnection(url)))
  const [ms, found, from]: [number[], number[], number] = [[], [], performance.now()]
  let [next, refused] = [0, 0]
  const putQuestions = async (connection: HttpConnection): Promise<void> => {
    while (performance.now() - from < seconds * 1000) {
      next += 1
      const answer = await connection.get(pathOf(next))
      if (answer.status !== 200) refused += 1
      else if (ms.push(answer.ms) % answersPerLook === 0) found.push(JSON.parse(answer.body.toString()).found.length)
    }
  }
  await Promise.all(open.map(putQuestions))
  const tookMs = performance.now() - from
  for (const connection of open) connection.close()
  const foundPerAnswer = found.reduce((sum, each) => sum + each, 0) / found.length
  return { ms, refused, foundPerAnswer, seconds: tookMs / 1000 }
}

async function askOnce(url: string, path: string): Promise<HttpAnswer> {
  const connection = await openHttpConnection(url)
  const answer = await connection.get(path)
  connection.close()
  return answer
}

/** Sends a request and closes the connection before there can be an answer. */
function hangUp(url: string, path: string): Promise<void> {
  const { port, hostname } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`, () => {
        socket.destroy()
        resolve()
      }),
    )
    socket.on('error', () => resolve())
  })
}

const dir = mkdtempSync(join(tmpdir(), 'millrace-search-load-'))
let serve: ChildProcess | null = null
try {
  mkdirSync(join(dir, 'spill'))
  await fill(dir)
  const { child, url } = await startServe(dir)
  serve = child
  const first = await askOnce(url, pathOf(0))
  const [before, ownBefore] = [usage(child.pid!), process.cpuUsage()]
  const { ms, refused, foundPerAnswer, seconds: tookSeconds } = await load(url)
  const [after, own] = [usage(child.pid!), process.cpuUsage(ownBefore)]
  const hungUp = values['hang-up']
  if (hungUp) await Promise.all(Array.from({ length: 1000 }, (_, i) => hangUp(url, pathOf(i))))
  const next = hungUp ? { afterHangUpMs: rounded((await askOnce(url, pathOf(1))).ms, 1) } : {}
  console.log(
    JSON.stringify({
      bench: 'search over HTTP',
      machine: machineFacts(),
      vectors,
      dimension: localEmbedder.dimension,
      connections,
      questions,
      filters: values.filters,
      requests: ms.length,
      refused,
      requestsPerSecond: rounded(ms.length / tookSeconds),
      p50Ms: rounded(quantile(ms, 0.5), 1),
      p99Ms: rounded(quantile(ms, 0.99), 1),
      foundPerAnswer: rounded(foundPerAnswer, 1),
      cpuMsPerRequest: rounded(((after.cpuSeconds - before.cpuSeconds) * 1000) / ms.length, 3),
      askingCpuMsPerRequest: rounded((own.user + own.system) / 1000 / ms.length, 3),
      memoryMiB: rounded(after.memoryMiB),
      firstMs: rounded(first.ms),
      ...next,
    }),
  )
} finally {
  serve?.kill()
  rmSync(dir, { recursive: true, force: true })
}
