/**
 * Searches a second by `millrace serve`, over made-up vectors as dense as those of the local embedder. So many connections put their next question as soon
 * as they have the answer to the last one. The service is a process of its own. One JSON line: requests a second, latencies, CPU time of the service per request,
 * its memory, and how long the first request took, which waits until the vectors are read. With `--hang-up` also how long one request takes after a
 * thousand that hung up.
 *
 *   node bench/search-load.ts [--vectors 10000] [--connections 32] [--seconds 10] [--questions 500] [--filters] [--hang-up]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { foldersOf } from '../cli/folders.ts'
import { vectorsSink } from '../connectors/local-vectors/sink.ts'
import { copyToParquet } from '../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../engine/clock.ts'
import { openDuckdb } from '../engine/duckdb.ts'
import { duckdbStore } from '../engine/duckdb-store.ts'
import { localEmbedder } from '../operators/embedders/local.ts'
import { machineFacts } from './machine.ts'
import { quantile, rounded } from './quantile.ts'

const { values } = parseArgs({
  options: {
    vectors: { type: 'string', default: '10000' },
    connections: { type: 'string', default: '32' },
    seconds: { type: 'string', default: '10' },
    questions: { type: 'string', default: '500' },
    filters: { type: 'boolean', default: false },
    'hang-up': { type: 'boolean', default: false },
  },
})
const [vectors, connections] = [Number(values.vectors), Number(values.connections)]
const [seconds, questions] = [Number(values.seconds), Number(values.questions)]
const vectorsPerBatch = 20_000
const nouns =
  'lighthouse storm detective robot garden widow pirate cook astronomer wolf painter train island king'.split(' ')
const verbs = 'loses finds hunts paints repairs follows forgives betrays dreams'.split(' ')

function question(i: number): string {
  const noun = (n: number) => nouns[n % nouns.length]!
  return `a ${noun(i)} who ${verbs[i % verbs.length]} the ${noun(i * 7 + 3)} of a ${noun(i * 3 + 1)} ${Math.floor(i / 9)}`
}

async function fill(dir: string): Promise<void> {
  const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 30, threads: 2, tempDir: join(dir, 'spill') })
  const path = join(foldersOf(dir).storesDir, 'vectors.duckdb')
  const store = duckdbStore({ path, duckdb: async () => duckdb })
  const description = { namespace: 'movies', upserts: 'rows', embedder: 'local' }
  const sink = vectorsSink({ store, description, embedder: localEmbedder, clock: systemClock })
  for (let from = 0; from < vectors; from += vectorsPerBatch) {
    const file = join(dir, 'batch.parquet')
    const query = titles(from, Math.min(vectors, from + vectorsPerBatch))
    const parquet = await duckdb.withConnection((connection) => copyToParquet(connection, query, file))
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

/** A quarter of the elements are not zero. */
function titles(from: number, to: number): string {
  return `SELECT i::VARCHAR AS id, list_transform(range(${localEmbedder.dimension}), lambda d:
      CASE WHEN hash(i * 5000 + d) % 4 = 0 THEN hash(i * 7000 + d) % 2000 / 1000.0 - 1 ELSE 0 END)::FLOAT[] AS embedding,
    'Title ' || i AS title, 'Titel ' || i AS original_title, (hash(i) % 7)::BIGINT AS renown, 1900 + (i % 125)::BIGINT AS year,
    ['Genre ' || (i % 19), 'Genre ' || (i % 7)] AS genres,
    repeat('Somebody does something that leads to something else. ', 6) AS text FROM range(${from}, ${to}) r(i)`
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
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, memoryMiB: Number(resident) / 1024 }
  } catch {
    return { cpuSeconds: Number.NaN, memoryMiB: Number.NaN }
  }
}

function asked(url: string, path: string, agent?: Agent): Promise<{ readonly status: number; readonly ms: number }> {
  const from = performance.now()
  return new Promise((resolve, reject) => {
    get(`${url}${path}`, agent === undefined ? {} : { agent }, (response) => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode ?? 0, ms: performance.now() - from }))
    }).on('error', reject)
  })
}

function pathOf(i: number): string {
  const narrowed = values.filters ? `&genre=genre+${i % 19}&year=${1900 + (i % 100)}-` : ''
  return `/search?text=${encodeURIComponent(question(i % questions))}&top=10${narrowed}`
}

async function load(
  url: string,
): Promise<{ readonly ms: readonly number[]; readonly refused: number; readonly seconds: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const [ms, from]: [number[], number] = [[], performance.now()]
  let [next, refused] = [0, 0]
  const connection = async (): Promise<void> => {
    while (performance.now() - from < seconds * 1000) {
      next += 1
      const answer = await asked(url, pathOf(next), agent)
      if (answer.status === 200) ms.push(answer.ms)
      else refused += 1
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  agent.destroy()
  return { ms, refused, seconds: (performance.now() - from) / 1000 }
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
  const first = await asked(url, pathOf(0))
  const before = usage(child.pid!)
  const { ms, refused, seconds: tookSeconds } = await load(url)
  const after = usage(child.pid!)
  const hungUp = values['hang-up']
  if (hungUp) await Promise.all(Array.from({ length: 1000 }, (_, i) => hangUp(url, pathOf(i))))
  const next = hungUp ? { afterHangUpMs: rounded((await asked(url, pathOf(1))).ms, 1) } : {}
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
      cpuMsPerRequest: rounded(((after.cpuSeconds - before.cpuSeconds) * 1000) / ms.length, 3),
      memoryMiB: rounded(after.memoryMiB),
      firstMs: rounded(first.ms),
      ...next,
    }),
  )
} finally {
  serve?.kill()
  rmSync(dir, { recursive: true, force: true })
}
