import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { SinkCommit } from '../../engine/contracts.ts'
import { openDuckdb } from '../../engine/duckdb.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { producerIn, readRange, withFolder } from './log.testing.ts'
import { fileLogSink } from './sink.ts'
import { fileLogSource } from './source.ts'

afterEach(() => armFault(null))

/** A sink over a topic `t` of three partitions, and the Parquet files of queries. */
async function withSink(
  work: (world: {
    readonly dir: string
    readonly sink: () => ReturnType<typeof fileLogSink>
    readonly file: (name: string, query: string) => Promise<ParquetFile>
    /** Values in the topic, sorted. */
    readonly values: () => Promise<readonly string[]>
  }) => Promise<void>,
): Promise<void> {
  await withFolder(async (dir) => {
    const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: join(dir, '_tmp') })
    const producer = await producerIn(dir)
    await producer.createTopic('t', 3)
    const values = async () => {
      const latest = await fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock }).latest()
      const parts = [...latest].map(([sourcePartition, end]) => readRange(dir, { sourcePartition, start: 0n, end }))
      return (await Promise.all(parts))
        .flat()
        .map(({ value }) => Buffer.from(value ?? '', 'hex').toString())
        .sort()
    }
    try {
      await work({
        dir,
        sink: () => fileLogSink({ dir, topic: 't', duckdb, clock: systemClock, ids: systemIds, stagingDir: dir }),
        file: (name, query) => duckdb.withConnection((connection) => copyToParquet(connection, query, join(dir, name))),
        values,
      })
    } finally {
      await producer.close()
      await duckdb.close()
    }
  })
}

const letters = `SELECT encode(chr((97 + i)::INTEGER)) AS key, encode(chr((97 + i)::INTEGER)) AS value,
  make_timestamptz(1000 + i) AS timestamp FROM range(9) r(i)`

function commitOf(txnId: string, start: bigint, end: bigint, ...files: readonly ParquetFile[]): SinkCommit {
  return {
    pipeline: 'replay',
    txnId,
    fingerprint: 'f1',
    ranges: [{ sourcePartition: 'dead', start, end }],
    initial: new Map(),
    outputs: new Map([['rows', files]]),
    columns: new Map(),
    signal: new AbortController().signal,
  }
}

test('rows become records with key, value, timestamp and headers, spread by key', async () => {
  await withSink(async ({ dir, sink, file }) => {
    const rows = await file(
      'rows.parquet',
      `SELECT 't' AS topic, encode('k') AS key, 'text' AS value, make_timestamptz(1700000000123457) AS timestamp,
       [{'key': 'h', 'value': '\\x00\\xFF'::BLOB}] AS headers
       UNION ALL SELECT 't', encode('k'), NULL, make_timestamptz(-1), []`,
    )
    expect(await sink().commit(commitOf('a', 0n, 5n, rows))).toEqual({ kind: 'committed', written: { rows: 2 } })
    const latest = await fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock }).latest()
    const [sourcePartition] = [...latest].find(([, end]) => end === 2n)!
    expect(await readRange(dir, { sourcePartition, start: 0n, end: 2n })).toMatchObject([
      { key: '6b', value: '74657874', timestampUs: 1700000000123457n, headers: [['h', '00ff']] },
      { key: '6b', value: null, timestampUs: -1n, headers: [] },
    ])
  })
})

test('a batch is committed once: again it is ours, from an old position it is fenced', async () => {
  await withSink(async ({ sink, file, values }) => {
    const rows = await file('rows.parquet', letters)
    expect(await sink().position('replay')).toEqual({ position: new Map(), fingerprint: null })
    expect((await sink().commit(commitOf('a', 0n, 9n, rows))).kind).toBe('committed')
    expect(await sink().commit(commitOf('a', 0n, 9n, rows))).toEqual({
      kind: 'already-committed',
      written: { rows: 9 },
    })
    const fenced = { kind: 'fenced', position: new Map([['dead', 9n]]) }
    expect(await sink().commit(commitOf('zombie', 0n, 4n, rows))).toEqual(fenced)
    expect((await sink().commit(commitOf('b', 9n, 12n))).kind).toBe('committed')
    expect(await sink().position('replay')).toEqual({ position: new Map([['dead', 12n]]), fingerprint: 'f1' })
    expect(await values()).toEqual([...'abcdefghi'])
  })
})

test('a failure just before the commit leaves nothing, one just after it loses nothing', async () => {
  await withSink(async ({ sink, file, values }) => {
    const rows = await file('rows.parquet', letters)
    armFault({ point: 'store-before-commit', passage: 1, action: 'throw' })
    await expect(sink().commit(commitOf('a', 0n, 9n, rows))).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
    expect((await sink().position('replay')).position).toEqual(new Map())
    expect(await values()).toEqual([])
    armFault({ point: 'store-after-commit', passage: 1, action: 'throw' })
    await expect(sink().commit(commitOf('b', 0n, 9n, rows))).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
    expect(await values()).toEqual([])
    expect((await sink().position('replay')).position).toEqual(new Map([['dead', 9n]]))
    expect(await values()).toEqual([...'abcdefghi'])
    expect((await sink().commit(commitOf('b', 0n, 9n, rows))).kind).toBe('already-committed')
    expect(await values()).toEqual([...'abcdefghi'])
  })
})

test('while a producer holds a partition nothing is committed', async () => {
  await withSink(async ({ dir, sink, file, values }) => {
    const rows = await file('rows.parquet', letters)
    const producer = await producerIn(dir)
    await producer.send('t', { key: Buffer.from('a'), value: Buffer.from('theirs') })
    const busy = { code: 'STORE_BUSY', retryable: true }
    await expect(sink().commit(commitOf('a', 0n, 9n, rows))).rejects.toMatchObject(busy)
    expect((await sink().position('replay')).position).toEqual(new Map())
    await producer.close()
    expect((await sink().commit(commitOf('a', 0n, 9n, rows))).kind).toBe('committed')
    expect(await values()).toEqual([...'abcdefghi', 'theirs'])
  })
})

test('a topic that is not there is found when the batch is prepared; a prepared batch is written as it was', async () => {
  await withSink(async ({ dir, sink, file, values }) => {
    const rows = await file('rows.parquet', `SELECT 'missing' AS topic, encode('v') AS value`)
    const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: join(dir, '_other') })
    const byRow = fileLogSink({ dir, duckdb, clock: systemClock, ids: systemIds, stagingDir: dir })
    await expect(byRow.prepare!(commitOf('a', 0n, 1n, rows))).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
      retryable: false,
    })
    await byRow.close()
    await duckdb.close()
    const opened = sink()
    const commit = commitOf('b', 0n, 9n, await file('letters.parquet', letters))
    await opened.prepare!(commit)
    expect(await values()).toEqual([])
    expect(await opened.commit(commit)).toEqual({ kind: 'committed', written: { rows: 9 } })
    expect(await values()).toEqual([...'abcdefghi'])
  })
})

test('a batch that is taken back leaves its records, and the position is where it was', async () => {
  await withSink(async ({ sink, file, values }) => {
    const rows = await file('rows.parquet', `SELECT encode('v') AS value`)
    await sink().commit(commitOf('a', 0n, 4n, rows))
    await sink().commit(commitOf('b', 4n, 9n, rows))
    const undo = { pipeline: 'replay', txnId: 'u', ranges: [{ sourcePartition: 'dead', start: 4n, end: 9n }] }
    await sink().undo!(undo)
    await sink().undo!({ ...undo, txnId: 'again' }) // nothing is left to do
    expect((await sink().position('replay')).position).toEqual(new Map([['dead', 4n]]))
    await expect(sink().undo!({ ...undo, ranges: [{ ...undo.ranges[0]!, start: 0n }] })).rejects.toMatchObject({
      code: 'SINK_FAILED',
    })
    expect((await sink().commit(commitOf('c', 4n, 9n, rows))).kind).toBe('committed')
    expect(await values()).toEqual(['v', 'v', 'v'])
  })
})

test('sinks whose names are long and begin alike keep positions of their own', async () => {
  await withFolder(async (dir) => {
    const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: join(dir, '_tmp') })
    const pipeline = 'p'.repeat(100)
    const topics = ['a', 'b'].map((end) => `${'t'.repeat(240)}${end}`)
    try {
      for (const [i, topic] of topics.entries()) {
        const sink = fileLogSink({ dir, topic, duckdb, clock: systemClock, ids: systemIds, stagingDir: dir })
        expect((await sink.position(pipeline)).position.size).toBe(0)
        const outcome = await sink.commit({
          pipeline,
          txnId: `txn-${i}`,
          fingerprint: 'f',
          ranges: [{ sourcePartition: 's/0', start: 0n, end: 5n }],
          initial: new Map(),
          outputs: new Map(),
          columns: new Map(),
          signal: new AbortController().signal,
        })
        expect(outcome.kind).toBe('committed')
        expect((await sink.position(pipeline)).position).toEqual(new Map([['s/0', 5n]]))
      }
    } finally {
      await duckdb.close()
    }
  })
})
