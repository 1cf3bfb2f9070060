import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Table as ArrowTable, tableFromArrays } from 'apache-arrow'
import { afterAll, expect, test } from 'vitest'
import { readParquet, writeParquet } from '../../engine/batch/parquet.ts'
import { recordTable } from '../../engine/batch/record-table.ts'
import type { Clock, Range, RecordReader, StageInput, StageOutput, Step } from '../../engine/contracts.ts'
import type { Embedder } from '../../engine/embedder.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { TaskProgress } from '../../engine/workers/progress.ts'
import type { WorkerTask } from '../../engine/workers/task.ts'
import { embed } from '../embed.ts'
import { mapBatches } from '../map-batches.ts'
import { parseCritical } from '../parse/critical.ts'
import { int64 } from '../parse/fields.ts'
import { runColumns } from './run.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-columns-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const source = { kind: 'test', shape: 'records', reads: 'topic:t', options: {} } as const
const limits = { maxRecords: 1_000_000, maxBytes: 1_000_000, maxAgeMs: 60_000 }
const { signal } = new AbortController()
let closed = 0

/** A log whose record at each offset is made by `value`; ten records a chunk. */
function testReader(value: (offset: bigint) => string | null): RecordReader {
  return {
    async *read({ sourcePartition, start, end }, { maxBytes }) {
      let bytes = 0
      for (let at = start; at < end && (bytes < maxBytes || at === start); ) {
        const stop = at + 10n < end ? at + 10n : end
        const records = Array.from({ length: Number(stop - at) }, (_, i) => {
          const text = value(at + BigInt(i))
          const place = { topic: 't', partition: Number(sourcePartition.split('/')[1]), offset: at + BigInt(i) }
          return { ...place, timestampMicros: 0n, key: null, value: text === null ? null : Buffer.from(text) }
        })
        bytes += records.reduce((sum, record) => sum + (record.value?.length ?? 0), 0)
        yield { table: recordTable(records), end: stop }
        at = stop
      }
    },
    async close() {
      closed += 1
    },
  }
}

function range(partition: number, start: bigint, end: bigint): Range {
  return { sourcePartition: `t/${partition}`, start, end }
}

function task(steps: readonly Step[], outputs: readonly StageOutput[], input: StageInput): WorkerTask {
  const stage = { id: steps[0]?.id ?? 'source', executor: 'columns', steps, inputs: ['source'], outputs } as const
  const stagingDir = mkdtempSync(join(dir, 'staging-'))
  return { pipeline: 'p', stage, inputs: new Map([['source', input]]), stagingDir, limits }
}

const records = (...ranges: Range[]): StageInput => ({ kind: 'records', source, ranges })
const valid = (step: string): StageOutput => ({ step, fork: 'valid' })
const rejected = (step: string): StageOutput => ({ step, fork: 'rejected' })
const reading = (value: (offset: bigint) => string | null) => ({ openReader: async () => testReader(value) })
const column = (table: ArrowTable, name: string) => [...table.getChild(name)!]

function moduleOf(code: string): URL {
  const path = join(mkdtempSync(join(dir, 'module-')), 'step.mjs')
  writeFileSync(path, code)
  return pathToFileURL(path)
}

const parse = parseCritical('parse', { id: int64('$.id') })

test('valid rows and dead letters go to one file each, and every record is in one of them', async () => {
  const run = task([parse], [valid('parse'), rejected('parse')], records(range(0, 5n, 30n), range(1, 0n, 7n)))
  const result = await runColumns(
    run,
    reading((offset) => (offset % 3n === 0n ? '{"id":"x"}' : `{"id":${offset}}`)),
    signal,
  )
  expect(result.ranges).toEqual([range(0, 5n, 30n), range(1, 0n, 7n)])
  expect(result.rowsIn).toBe(32)
  const [good] = result.outputs.get('parse')!
  const [bad] = result.outputs.get('parse.rejected')!
  expect([good!.rows + bad!.rows, readdirSync(run.stagingDir).length]).toEqual([32, 2])
  const letters = await readParquet(bad!.path)
  expect(new Set(column(letters, 'code'))).toEqual(new Set(['WRONG_TYPE']))
  expect(new Set(column(letters, 'pipeline'))).toEqual(new Set(['p']))
  const rows = await readParquet(good!.path)
  expect(column(rows, 'id')).toEqual(column(rows, 'offset'))
})

test('a stage without steps writes its records as they come', async () => {
  const result = await runColumns(
    task([], [valid('source')], records(range(0, 0n, 25n))),
    reading(() => 'not json'),
    signal,
  )
  const [file] = result.outputs.get('source')!
  expect([file!.rows, result.bytesIn]).toEqual([25, 25 * 8])
})

test('an output without rows has no file', async () => {
  const run = task([parse], [valid('parse'), rejected('parse')], records(range(0, 4n, 4n)))
  const result = await runColumns(
    run,
    reading(() => null),
    signal,
  )
  expect([result.outputs.size, result.rowsIn, result.ranges]).toEqual([0, 0, [range(0, 4n, 4n)]])
})

test('the byte limit is shared out, so that a long partition starves no other', async () => {
  const run = {
    ...task([], [valid('source')], records(range(0, 0n, 1000n), range(1, 0n, 100n))),
    limits: { ...limits, maxBytes: 1100 },
  }
  const result = await runColumns(
    run,
    reading(() => '12345678'),
    signal,
  )
  const [long, short] = result.ranges
  expect(long!.end).toBeGreaterThan(0n)
  expect(long!.end).toBeLessThan(200n)
  expect(short!.end).toBeGreaterThan(0n)
})

test('past the age limit each partition still moves, by one table', async () => {
  let now = 0
  const clock: Clock = { nowMs: () => (now += 100), sleep: async () => {} }
  const run = {
    ...task([], [valid('source')], records(range(0, 0n, 100n), range(1, 0n, 100n))),
    limits: { ...limits, maxAgeMs: 1 },
  }
  const result = await runColumns(run, { ...reading(() => 'v'), clock }, signal)
  expect(result.ranges.map(({ end }) => end)).toEqual([10n, 10n])
})

test('a module of the author maps tables, also to other numbers of rows and to none', async () => {
  const arrow = import.meta.resolve('apache-arrow')
  const url = moduleOf(
    `import { tableFromArrays } from '${arrow}'
    export default (table, context) => tableFromArrays({
      twice: BigInt64Array.from([...table.getChild('id')].flatMap((id) => id > 12n ? [] : [id, id * context.options.factor])),
    }).select(['twice'])`.replace('id * context.options.factor', 'id * BigInt(context.options.factor)'),
  )
  const steps = [parse, mapBatches('twice', url, { options: { factor: 2 } })]
  const result = await runColumns(
    task(steps, [valid('twice'), rejected('parse')], records(range(0, 10n, 40n))),
    reading((o) => `{"id":${o}}`),
    signal,
  )
  const [file] = result.outputs.get('twice')!
  expect(column(await readParquet(file!.path), 'twice')).toEqual([10n, 20n, 11n, 22n, 12n, 24n])
})

test.each([
  ['export default () => { throw new Error("boom") }', 'step bad of pipeline p threw: boom'],
  ['export default () => 5', 'step bad of pipeline p returned no Arrow table'],
  ['export const x = 1', 'step bad of pipeline p has no function as default export'],
  ['import "./missing.mjs"', 'step bad of pipeline p could not load'],
])('the module %j fails the batch by name and leaves no file', async (code, message) => {
  const run = task([mapBatches('bad', moduleOf(code))], [valid('source'), valid('bad')], records(range(0, 0n, 5n)))
  const before = closed
  await expect(
    runColumns(
      run,
      reading(() => 'v'),
      signal,
    ),
  ).rejects.toMatchObject({
    code: 'STEP_FAILED',
    message: expect.stringContaining(message),
  })
  expect(readdirSync(run.stagingDir)).toEqual([])
  if (message.includes('threw')) expect(closed).toBe(before + 1)
})

test('a failure while files are being finished leaves none of them', async () => {
  const run = task([parse], [valid('parse'), rejected('parse')], records(range(0, 0n, 20n)))
  armFault({ point: 'file-written', passage: 2, action: 'throw' })
  try {
    const broken = runColumns(
      run,
      reading((offset) => (offset % 2n === 0n ? 'x' : `{"id":${offset}}`)),
      signal,
    )
    await expect(broken).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  } finally {
    armFault(null)
  }
  expect(readdirSync(run.stagingDir)).toEqual([])
})

test('rejected rows without a place to go fail the batch', async () => {
  const run = task([parse], [valid('parse')], records(range(0, 0n, 5n)))
  await expect(
    runColumns(
      run,
      reading(() => 'v'),
      signal,
    ),
  ).rejects.toMatchObject({
    code: 'STEP_FAILED',
    message: 'step parse of pipeline p rejected 5 rows, which have nowhere to go (add deadLetters)',
  })
})

test('files of a table are read with its constants and its missing columns', async () => {
  const old = await runColumns(
    task([parse], [valid('parse'), rejected('parse')], records(range(0, 0n, 3n))),
    reading((o) => `{"id":${o}}`),
    signal,
  )
  const [file] = old.outputs.get('parse')!
  const columns = [
    { name: '_change_type', type: 'string' },
    { name: 'id', type: 'long' },
    { name: 'added_later', type: { kind: 'array', element: 'string' } },
    { name: '_commit_version', type: 'long' },
  ] as const
  const constants = { _change_type: 'insert', _commit_version: 2n ** 60n }
  const table = { columns, files: [{ path: file!.path, constants }] }
  const result = await runColumns(
    task([], [valid('source')], { kind: 'table', table }),
    reading(() => null),
    signal,
  )
  const [copy] = result.outputs.get('source')!
  expect(copy!.columns).toEqual(columns)
  const rows = await readParquet(copy!.path)
  expect(column(rows, '_change_type')).toEqual(['insert', 'insert', 'insert'])
  expect(column(rows, 'added_later')).toEqual([null, null, null])
  expect(column(rows, '_commit_version')).toEqual(Array(3).fill(2n ** 60n))
  expect(result.ranges).toEqual([])
})

test('files of an earlier stage are read in order', async () => {
  const tables = [0, 1].map((partition) =>
    recordTable([{ topic: 't', partition, offset: 1n, timestampMicros: 0n, key: null, value: null }]),
  )
  const files = [
    await writeParquet([tables[0]!], join(dir, 'a.parquet')),
    await writeParquet([tables[1]!], join(dir, 'b.parquet')),
  ]
  const result = await runColumns(
    task([], [valid('source')], { kind: 'files', files }),
    reading(() => null),
    signal,
  )
  expect(column(await readParquet(result.outputs.get('source')![0]!.path), 'partition')).toEqual([0, 1])
})

test('an abort ends the reading and leaves no file', async () => {
  const abort = new AbortController()
  const run = task([], [valid('source')], records(range(0, 0n, 100n)))
  const reader = reading((offset) => {
    if (offset === 25n) abort.abort(new Error('stopped'))
    return 'v'
  })
  await expect(runColumns(run, reader, abort.signal)).rejects.toThrow('stopped')
  expect(readdirSync(run.stagingDir)).toEqual([])
})

test('a task that has a part of a file reads its rows and no others', async () => {
  const path = join(dir, 'parts.parquet')
  const ids = Array.from({ length: 10_000 }, (_, i) => i)
  const file = await writeParquet([tableFromArrays({ id: ids })], path)
  const read = async (from: number, rows: number) => {
    const input = { kind: 'files', files: [{ ...file, part: { from, rows } }] } as const
    const { outputs } = await runColumns(
      task([], [valid('source')], input),
      reading(() => null),
      signal,
    )
    const [written] = outputs.get('source') ?? []
    return written === undefined ? [] : column(await readParquet(written.path), 'id')
  }
  expect(await read(0, 10_000)).toEqual(ids)
  expect(await read(0, 3)).toEqual([0, 1, 2])
  expect(await read(4095, 4100)).toEqual(ids.slice(4095, 8195))
  expect(await read(9998, 2)).toEqual([9998, 9999])
})

test('a slow embedder is told of every two seconds, and what it did is counted', async () => {
  let nowMs = 0
  const clock: Clock = { nowMs: () => nowMs, sleep: async () => {} }
  const embedder: Embedder = {
    id: 'slow',
    dimension: 1,
    costly: true,
    async embed(texts, { onVectors } = {}) {
      return texts.map((text, place) => {
        nowMs += 500
        const vector = Float32Array.of(text.length)
        onVectors?.({ places: [place], vectors: [vector], cached: place === 0 })
        return vector
      })
    },
    embedQuery: async (text) => Float32Array.of(text.length),
  }
  const path = join(dir, 'texts.parquet')
  const texts = ['a', 'b', null, 'a', 'c', 'd', 'e', 'f', 'g', 'h'] // eight of them, one twice
  const file = await writeParquet([tableFromArrays({ text: texts })], path)
  const steps = [embed('vectors', { text: 'text', into: 'vector', embedder: 'default' })]
  const told: TaskProgress[] = []
  const runtime = { ...reading(() => null), openEmbedder: async () => embedder, clock }
  const run = task(steps, [valid('vectors')], { kind: 'files', files: [file] })
  const result = await runColumns(run, runtime, signal, (progress) => told.push(progress))
  expect(result.embedded).toEqual({ computed: 7, cached: 1 })
  expect(told).toEqual([
    { step: 'vectors', embedded: 5 },
    { step: 'vectors', embedded: 9 },
  ])
})
