import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openProducer, producerBatch } from '../connectors/file-log/producer.ts'
import { readParquet } from '../engine/batch/parquet.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { Executor, StageRun } from '../engine/contracts.ts'
import { inlineExecutor, workerPool } from '../engine/workers/pool.ts'
import { localSettings } from '../operators/embedders/registry.ts'
import { parseCritical } from '../operators/parse/critical.ts'
import { int64 } from '../operators/parse/fields.ts'
import { openWorkerRuntime } from './worker-wiring.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-wiring-'))
const logDir = join(dir, 'log')
const embeddingsDir = join(dir, 'cache/embeddings')
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const records = 9000

async function fillTopic(): Promise<void> {
  const producer = await openProducer({ dir: logDir, clock: systemClock, ids: systemIds })
  try {
    await producer.createTopic('movies', 3)
    const batch = producerBatch()
    for (let id = 0; id < records; id++) {
      const value = id % 100 === 7 ? '{"id":"seven"}' : `{"id":${id},"title":"Nº ${id}"}`
      batch.add({ partition: id % 3, key: Buffer.from(String(id)), value: Buffer.from(value), timestampMs: id })
    }
    await producer.append('movies', batch)
  } finally {
    await producer.close()
  }
}

function run(kind = 'kafka'): StageRun {
  const steps = [parseCritical('parse', { id: int64('$.id') })]
  const source = { kind, shape: 'records', reads: 'topic:movies', options: { topic: 'movies' } } as const
  const ranges = [0, 1, 2].map((partition) => ({ sourcePartition: `movies/${partition}`, start: 0n, end: 3000n }))
  return {
    pipeline: 'bronze',
    stage: {
      id: 'parse',
      executor: 'columns',
      steps,
      inputs: ['source'],
      outputs: [
        { step: 'parse', fork: 'valid' },
        { step: 'parse', fork: 'rejected' },
      ],
    },
    inputs: new Map([['source', { kind: 'records', source, ranges }]]),
    stagingDir: dir,
    limits: { maxRecords: 1_000_000, maxBytes: 2 ** 26, maxAgeMs: 60_000 },
    signal: new AbortController().signal,
  }
}

/** Every record by position: its id, or null for a dead letter. */
async function rowsOf(executor: Executor): Promise<Map<string, bigint | null>> {
  const result = await executor.run(run())
  expect(result.rowsIn).toBe(records)
  const rows = new Map<string, bigint | null>()
  for (const [output, files] of result.outputs)
    for (const { path } of files)
      for (const row of await readParquet(path))
        rows.set(`${row.partition}/${row.offset}`, output === 'parse' ? (row.id as bigint) : null)
  return rows
}

test('threads and the calling thread write the same rows of the embedded log', async () => {
  await fillTopic()
  const setup = { logDir, kafka: null, embedder: localSettings, embeddingsDir, fault: null }
  const wiringUrl = new URL('./worker-wiring.ts', import.meta.url).href
  const pool = workerPool({ threads: 2, wiringUrl, setup })
  try {
    const inThreads = await rowsOf(pool)
    expect(inThreads.size).toBe(records)
    expect([...inThreads.values()].filter((id) => id === null)).toHaveLength(records / 100)
    expect(inThreads).toEqual(await rowsOf(inlineExecutor(openWorkerRuntime(setup))))
  } finally {
    await pool.close()
  }
})

test('a source that workers cannot read is refused by name', async () => {
  const executor = inlineExecutor(openWorkerRuntime({ logDir, kafka: null, embedder: localSettings, embeddingsDir }))
  await expect(executor.run(run('carrier-pigeon'))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('carrier-pigeon'),
  })
})
