/**
 * Vectors a second into Pinecone, as its emulator serves it in a process of its own: by the sink, from Parquet files to the position, and by plain loops
 * over `@pinecone-database/pinecone` that read the same files and upsert their rows, 200 a request, one request after the other and as many under way
 * as the sink has. One JSON line.
 *
 *   node bench/vectors-load.ts [--vectors 20000] [--batch 10000] [--dimension 384] [--latency-ms 0] [--turns 2]
 *
 * Figures are of the fastest turn; CPU is that of this process, not of the emulator, which has the machine's cores in common with it. A latency is added to
 * every answer of the emulator: a service is further away.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { Pinecone } from '@pinecone-database/pinecone'
import { openPinecone } from '../connectors/pinecone/client.ts'
import { inFlight, pineconeSink } from '../connectors/pinecone/sink.ts'
import { copyToParquet } from '../engine/batch/duckdb-parquet.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import { literal, openDuckdb } from '../engine/duckdb.ts'
import type { ParquetFile } from '../engine/schema.ts'
import { machineFacts } from './machine.ts'
import { rounded } from './quantile.ts'

const { values } = parseArgs({
  options: {
    vectors: { type: 'string', default: '20000' },
    batch: { type: 'string', default: '10000' },
    dimension: { type: 'string', default: '384' },
    'latency-ms': { type: 'string', default: '0' },
    turns: { type: 'string', default: '2' },
  },
})
const [vectors, batch, dimension] = [Number(values.vectors), Number(values.batch), Number(values.dimension)]
const [latencyMs, turns] = [Number(values['latency-ms']), Number(values.turns)]
const perRequest = 200

const dir = mkdtempSync(join(tmpdir(), 'millrace-vectors-load-'))
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 30, threads: 2, tempDir: join(dir, 'spill') })
const emulator = spawn(
  process.execPath,
  [join(import.meta.dirname, '../testing/pinecone/main.ts'), '--latency-ms', String(latencyMs)],
  { stdio: ['ignore', 'pipe', 'inherit'] },
)
const [controllerHost] = (await once(createInterface(emulator.stdout), 'line')) as [string]
const plain = new Pinecone({ apiKey: 'bench', controllerHostUrl: controllerHost })

/** Titles as the platform has them. */
function titles(from: number, to: number): string {
  return `SELECT i::VARCHAR AS id, list_transform(range(${dimension}), lambda d: (hash(i * 1000 + d) % 2000000007 / 1000000003.5 - 1) / 10)::FLOAT[] AS embedding,
    'Title ' || i AS title, 1900 + (i % 125)::BIGINT AS year, ['Genre ' || (i % 19), 'Genre ' || (i % 7)] AS genres,
    repeat('Somebody does something that leads to something else. ', 6) AS text FROM range(${from}, ${to}) r(i)`
}

const batches: ParquetFile[] = []
for (let from = 0; from < vectors; from += batch)
  batches.push(
    await duckdb.withConnection((connection) =>
      copyToParquet(connection, titles(from, Math.min(vectors, from + batch)), join(dir, `${from}.parquet`)),
    ),
  )

async function loadBySink(index: string): Promise<void> {
  const settings = { apiKey: 'bench', index, controllerHost, cloud: 'aws', region: 'us-east-1' }
  const sink = pineconeSink({
    index: openPinecone({ settings, clock: systemClock, ids: systemIds }),
    description: { namespace: 'movies', upserts: 'upserts', embedder: 'bench' },
    embedder: { id: 'bench', dimension },
    duckdb: async () => duckdb,
    clock: systemClock,
  })
  for (const [i, file] of batches.entries()) {
    const ranges = [{ sourcePartition: 'silver', start: BigInt(i), end: BigInt(i + 1) }]
    const outputs = new Map([['upserts', [file]]])
    const commit = { pipeline: 'bench', txnId: `t${i}`, fingerprint: 'f', ranges, initial: new Map(), outputs }
    const outcome = await sink.commit({ ...commit, columns: new Map(), signal: new AbortController().signal })
    if (outcome.kind !== 'committed') throw new Error(`a batch was ${outcome.kind}`)
  }
}

async function loadByLoop(name: string, atOnce: number): Promise<void> {
  const { host } = (await plain.indexes.create({
    name,
    schema: { fields: { _values: { type: 'dense_vector', dimension, metric: 'cosine' } } },
    deployment: { deploymentType: 'managed', cloud: 'aws', region: 'us-east-1' },
  }))!
  const index = plain.index({ host, namespace: 'movies' })
  for (const file of batches) {
    const records = await recordsOf(file)
    let next = 0
    const loop = async (): Promise<void> => {
      for (let from = next; from < records.length; from = next) {
        next = from + perRequest
        await index.upsert({ records: records.slice(from, from + perRequest) })
      }
    }
    await Promise.all(Array.from({ length: atOnce }, loop))
  }
}

/** What the client takes of a file's rows. */
async function recordsOf({ path }: ParquetFile) {
  const rows = await duckdb.withConnection((connection) =>
    connection.rows(`SELECT * FROM read_parquet(${literal(path)})`),
  )
  return rows.map(({ id, embedding, ...metadata }) => ({
    id: String(id),
    values: [...(embedding as readonly number[])],
    metadata: { ...metadata, year: Number(metadata.year) } as Record<string, string | number | string[]>,
  }))
}

interface Cost {
  readonly seconds: number
  readonly cpuSeconds: number
}

/** Of work on an index that is new, and gone afterwards. */
async function measured(name: string, work: (index: string) => Promise<void>): Promise<Cost> {
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()]
  await work(name)
  const { user, system } = process.cpuUsage(cpu)
  const cost = { seconds: (performance.now() - startedMs) / 1000, cpuSeconds: (user + system) / 1e6 }
  const stats = await plain.index({ host: (await plain.indexes.describe(name)).host }).describeIndexStats()
  const written = stats.namespaces?.movies?.recordCount
  if (written !== vectors) throw new Error(`${written} vectors were written, not ${vectors}`)
  await plain.indexes.delete(name)
  return cost
}

const ways = {
  sink: loadBySink,
  oneByOne: (index: string) => loadByLoop(index, 1),
  together: (index: string) => loadByLoop(index, inFlight),
}
try {
  const costs: Record<keyof typeof ways, Cost[]> = { sink: [], oneByOne: [], together: [] }
  for (let turn = 0; turn < turns; turn += 1)
    for (const [way, load] of Object.entries(ways))
      costs[way as keyof typeof ways].push(await measured(`${way.toLowerCase()}-${turn}`, load))
  const figure = (of: readonly Cost[]) => {
    const { seconds, cpuSeconds } = of.reduce((best, cost) => (cost.seconds < best.seconds ? cost : best))
    return {
      vectorsPerSecond: Math.round(vectors / seconds),
      seconds: rounded(seconds, 2),
      cpuSeconds: rounded(cpuSeconds, 2),
    }
  }
  const [sink, oneByOne, together] = [figure(costs.sink), figure(costs.oneByOne), figure(costs.together)]
  const beside = (theirs: typeof sink) => rounded(sink.vectorsPerSecond / theirs.vectorsPerSecond, 2)
  console.log(
    JSON.stringify({
      bench: 'load into Pinecone (emulated)',
      machine: machineFacts(),
      vectors,
      batch,
      dimension,
      latencyMs,
      inFlight,
      sink,
      plainLoop: { oneByOne, together },
      timesAsFast: { besideOneByOne: beside(oneByOne), besideTogether: beside(together) },
    }),
  )
} finally {
  emulator.kill()
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
}
