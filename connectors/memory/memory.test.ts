import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { recordSchema } from '../../engine/batch/record-columns.ts'
import type { Range, SinkCommit } from '../../engine/contracts.ts'
import { openDuckdb } from '../../engine/duckdb.ts'
import { memorySink } from './sink.ts'
import { type MemorySource, memorySource } from './source.ts'

async function valuesOf({ reader }: MemorySource, range: Range, maxBytes = 1e9): Promise<string[]> {
  const values: string[] = []
  for await (const { table } of reader.read(range, { maxBytes, signal: new AbortController().signal })) {
    expect(table.schema.toString()).toBe(recordSchema.toString())
    for (const value of table.getChild('value')!) values.push(value === null ? 'null' : Buffer.from(value).toString())
  }
  return values
}

const range = (start: bigint, end: bigint, partition = 0) => ({ sourcePartition: `memory/${partition}`, start, end })

test('records are read by partition and offset, and what was appended is there', async () => {
  const memory = memorySource({ records: [{ value: 'a' }, { value: null }, { partition: 1, value: 'c' }] })
  memory.append({ value: 'd', key: 'k', timestampMs: 5, headers: [['h', Buffer.from('v')]] })
  expect(await memory.source.latest()).toEqual(new Map(Object.entries({ 'memory/0': 3n, 'memory/1': 1n })))
  expect(await valuesOf(memory, range(0n, 3n))).toEqual(['a', 'null', 'd'])
  expect(await valuesOf(memory, range(0n, 1n, 1))).toEqual(['c'])
  expect(await valuesOf(memory, range(2n, 2n))).toEqual([])
})

test('a cut and a read stop at their limits, after one record at least', async () => {
  const memory = memorySource({ records: ['aa', 'bb', 'cc', 'dd'].map((value) => ({ value })) })
  expect(await memory.source.cut(range(1n, 4n), { maxRecords: 2, maxBytes: 100 })).toEqual(range(1n, 3n))
  expect(await memory.source.cut(range(0n, 4n), { maxRecords: 9, maxBytes: 5 })).toEqual(range(0n, 2n))
  expect(await memory.source.cut(range(0n, 4n), { maxRecords: 9, maxBytes: 1 })).toEqual(range(0n, 1n))
  expect(await valuesOf(memory, range(0n, 4n), 5)).toEqual(['aa', 'bb'])
})

test('reads fail as often as scripted, and for good where records are gone', async () => {
  const memory = memorySource({ records: [{ value: 'a' }, { value: 'b' }], failReads: 1 })
  await expect(valuesOf(memory, range(0n, 2n))).rejects.toMatchObject({ code: 'SOURCE_READ_FAILED', retryable: true })
  expect(await valuesOf(memory, range(0n, 2n))).toEqual(['a', 'b'])
  memory.truncateBefore(0, 1n)
  expect(await memory.source.start()).toEqual(new Map([['memory/0', 1n]]))
  await expect(valuesOf(memory, range(0n, 2n))).rejects.toMatchObject({ code: 'SOURCE_RANGE_LOST' })
  await expect(valuesOf(memory, range(1n, 3n))).rejects.toMatchObject({ code: 'SOURCE_RANGE_LOST' })
})

test('the sink holds each batch once, whatever its script makes of the commits', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-memory-'))
  const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: join(dir, 'tmp') })
  try {
    const query = 'SELECT i AS id FROM range(3) r(i)'
    const file = await duckdb.withConnection((connection) => copyToParquet(connection, query, join(dir, 'a.parquet')))
    const { sink, rows } = memorySink({ duckdb, script: ['fail', 'fence', 'conflict', 'lose-answer'] })
    const commit = (txnId: string, start: bigint, end: bigint): SinkCommit => ({
      pipeline: 'p',
      txnId,
      fingerprint: 'f',
      ranges: [range(start, end)],
      initial: new Map(),
      outputs: new Map([['rows', [file]]]),
      columns: new Map(),
      signal: new AbortController().signal,
    })
    await expect(sink.commit(commit('a', 0n, 3n))).rejects.toMatchObject({ code: 'SINK_FAILED', retryable: true })
    expect(await sink.commit(commit('a', 0n, 3n))).toEqual({ kind: 'fenced', position: new Map() })
    expect((await sink.commit(commit('a', 0n, 3n))).kind).toBe('conflict')
    expect(rows()).toEqual([])
    await expect(sink.commit(commit('a', 0n, 3n))).rejects.toMatchObject({ retryable: true })
    expect(await sink.commit(commit('a', 0n, 3n))).toEqual({ kind: 'already-committed', written: { rows: 3 } })
    expect((await sink.commit(commit('b', 0n, 3n))).kind).toBe('fenced')
    expect(rows()).toEqual([{ id: 0n }, { id: 1n }, { id: 2n }])
    expect(await sink.position('p')).toEqual({ position: new Map([['memory/0', 3n]]), fingerprint: 'f' })
  } finally {
    await duckdb.close()
    rmSync(dir, { recursive: true, force: true })
  }
})
