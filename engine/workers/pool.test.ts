import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { afterAll, afterEach, expect, test } from 'vitest'
import type { Executor, Range, StageProgress, StageRun } from '../contracts.ts'
import { MillraceError } from '../errors.ts'
import { inlineExecutor, workerPool } from './pool.ts'
import { splitTask } from './split.ts'
import { fromPlainError, toPlainError } from './task.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-pool-'))
const open: Executor[] = []

afterEach(async () => {
  for (const executor of open.splice(0)) await executor.close()
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const errors = new URL('../errors.ts', import.meta.url).href
const faults = new URL('../fault-points.ts', import.meta.url).href

/** A wiring whose tasks run `body`, with `task`, `setup`, `opened` (times that this thread opened it) in scope. */
function pool(body: string, setup: object = {}, threads = 2): Executor {
  const path = join(dir, `wiring-${open.length}-${Date.now()}-${Math.random()}.mjs`)
  writeFileSync(
    path,
    `import { threadId } from 'node:worker_threads'
    import { MillraceError } from '${errors}'
    import { faultPoint } from '${faults}'
    let opened = 0
    let prepared = []
    const result = (task, more) => ({ outputs: new Map(), columns: new Map(), violations: new Map([['step', 1]]), rowsIn: 1, bytesIn: 2,
      ranges: [...task.inputs.values()].flatMap((input) => input.ranges), ...more })
    export function openWorkerRuntime(setup) { opened++; return {
      async prepare(sources) { prepared.push(...sources) },
      async run(task, signal, onProgress) { ${body} } } }`,
  )
  const executor = workerPool({ threads, wiringUrl: pathToFileURL(path).href, setup })
  open.push(executor)
  return executor
}

const source = { kind: 'test', shape: 'records', reads: 'topic:t', options: {} } as const
const range = (partition: number, end: bigint): Range => ({ sourcePartition: `t/${partition}`, start: 0n, end })

function run(ranges: readonly Range[], signal = new AbortController().signal): StageRun {
  const stage = { id: 's', executor: 'columns', steps: [], inputs: ['source'], outputs: [] } as const
  const inputs = new Map([['source', { kind: 'records', source, ranges }]]) as StageRun['inputs']
  const limits = { maxRecords: 1_000_000, maxBytes: 1000, maxAgeMs: 1000 }
  return { pipeline: 'p', stage, inputs, stagingDir: dir, limits, signal }
}

test('partitions are dealt out to threads, each to one, and results put together in order', async () => {
  const executor = pool('return result(task, { outputs: new Map([["s", [{ path: String(threadId) }]]]) })')
  const ranges = [range(0, 9000n), range(1, 1n), range(2, 5000n), range(3, 0n)]
  const result = await executor.run(run(ranges))
  expect(result.ranges).toEqual(ranges)
  expect([result.rowsIn, result.bytesIn, result.violations.get('step')]).toEqual([2, 4, 2])
  expect(new Set(result.outputs.get('s')!.map(({ path }) => path)).size).toBe(2)
})

test('what threads tell of their progress is put together while they run', async () => {
  const seen = join(dir, 'seen')
  const executor = pool(`
    const { existsSync } = await import('node:fs')
    for (const embedded of [5, 10]) onProgress({ step: 's', embedded })
    while (!existsSync(${JSON.stringify(seen)})) await new Promise((resolve) => setImmediate(resolve))
    return result(task)`)
  const told: StageProgress[] = []
  const onProgress = (progress: StageProgress) => {
    told.push(progress)
    if (progress.embedded === 20) writeFileSync(seen, '')
  }
  await executor.run({ ...run([range(0, 9000n), range(1, 9000n)]), onProgress })
  expect(told).toHaveLength(4)
  expect(told.at(-1)).toEqual({ step: 's', embedded: 20, of: null })
})

test('a small batch stays one task, and a thread opens its runtime once', async () => {
  const executor = pool('return result(task, { rowsIn: opened })')
  for (let i = 0; i < 3; i++) expect((await executor.run(run([range(0, 10n), range(1, 10n)]))).rowsIn).toBe(1)
})

test('a thread is prepared once, and runs the first task', async () => {
  const executor = pool('return result(task, { rowsIn: prepared.length })', {}, 1)
  const source = { kind: 'test', shape: 'records', reads: 'topic:t', options: {} } as const
  executor.prepare?.([source])
  executor.prepare?.([source])
  expect((await executor.run(run([range(0, 10n)]))).rowsIn).toBe(1)
})

test('the limits and partitions of the tasks add up to those of the run', () => {
  const { signal: _, ...task } = run([range(0, 9000n), range(1, 3000n), range(2, 4000n), range(3, 2000n)])
  const parts = splitTask(task, 3)
  expect(parts.map(({ limits }) => limits.maxBytes)).toEqual([500, 223, 278])
  const dealt = parts.flatMap(({ inputs }) =>
    [...inputs.values()].flatMap((input) => (input.kind === 'records' ? input.ranges : [])),
  )
  expect(dealt.map(({ sourcePartition }) => sourcePartition).toSorted()).toEqual(['t/0', 't/1', 't/2', 't/3'])
})

test('rows that take long are dealt out to all threads, few of them to one, and none is left out', () => {
  const { signal: _, ...task } = run([])
  const steps = [{ id: 's', kind: 'embed', executor: 'columns', rejects: false, slow: true, options: {} }] as const
  const dealt = (rows: readonly number[], threads: number) => {
    const files = rows.map((count, i) => ({ path: `${i}`, rows: count, sizeBytes: 1, columns: [], statistics: [] }))
    const inputs = new Map([['source', { kind: 'files' as const, files }]])
    const parts = splitTask({ ...task, stage: { ...task.stage, steps }, inputs }, threads)
    const read = parts.map(({ inputs }) =>
      [...inputs.values()].flatMap((input) => (input.kind === 'files' ? input.files : [])),
    )
    const seen = read
      .flat()
      .flatMap(({ path, rows, part = { from: 0, rows } }) =>
        Array.from({ length: part.rows }, (_, i) => `${path}:${part.from + i}`),
      )
    expect(seen.toSorted()).toEqual(
      rows.flatMap((count, file) => Array.from({ length: count }, (_, i) => `${file}:${i}`)).toSorted(),
    )
    return read.map((files) => files.reduce((sum, { rows, part }) => sum + (part?.rows ?? rows), 0))
  }
  expect(dealt([1000], 4)).toEqual([250, 250, 250, 250])
  expect(dealt([1001, 3], 2)).toEqual([501, 503])
  expect(dealt([60], 4)).toEqual([60])
  expect(dealt([130], 4)).toEqual([44, 44, 42])
  expect(dealt([], 4)).toEqual([0])
  fc.assert(
    fc.property(fc.array(fc.nat(500), { maxLength: 5 }), fc.integer({ min: 1, max: 8 }), (rows, threads) => {
      expect(dealt(rows, threads).length).toBeLessThanOrEqual(threads)
    }),
  )
})

test('a failure in a thread keeps its code, its fate and its cause', async () => {
  const executor = pool(
    `throw new MillraceError('SOURCE_RANGE_LOST', 'topic t lost records', { retryable: true, context: { from: 5n, odd: () => 1 }, cause: new Error('why') })`,
  )
  const error = await executor.run(run([range(0, 1n)])).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(MillraceError)
  expect(error).toMatchObject({
    code: 'SOURCE_RANGE_LOST',
    message: 'topic t lost records',
    retryable: true,
    context: { from: 5n },
  })
  expect(String(((error as Error).cause as Error).stack)).toContain('why')
})

test('a bug in a thread is no retryable failure', async () => {
  const executor = pool('return null.x')
  await expect(executor.run(run([range(0, 1n)]))).rejects.toMatchObject({ code: 'WORKER_FAILED', retryable: false })
})

test('a thread that dies fails its batch, retryable, and the next batch runs', async () => {
  const executor = pool('if (task.pipeline === "dies") process.exit(3); return result(task)')
  await expect(executor.run({ ...run([range(0, 1n)]), pipeline: 'dies' })).rejects.toMatchObject({
    code: 'WORKER_FAILED',
    retryable: true,
    message: expect.stringContaining('worker thread of pipeline dies, stage s, ended in the middle of its task'),
  })
  expect((await executor.run(run([range(0, 1n)]))).rowsIn).toBe(1)
})

test('a thread that dies takes no other task with it: those that wait for it run on another', async () => {
  const executor = pool(
    `if (task.pipeline === 'dies') { await new Promise((resolve) => setTimeout(resolve, 200)); process.exit(3) }
    return result(task)`,
    {},
    1,
  )
  const dies = executor.run({ ...run([range(0, 1n)]), pipeline: 'dies' })
  const others = [1, 2, 3].map((partition) => executor.run(run([range(partition, 1n)])))
  await expect(dies).rejects.toMatchObject({ code: 'WORKER_FAILED', retryable: true })
  expect((await Promise.all(others)).map(({ rowsIn }) => rowsIn)).toEqual([1, 1, 1])
})

test('a task that is given up takes no other with it', async () => {
  const executor = pool("if (task.pipeline === 'endless') while (true) {}; return result(task)", {}, 1)
  const abort = new AbortController()
  const endless = executor.run({ ...run([range(0, 1n)], abort.signal), pipeline: 'endless' })
  const other = executor.run(run([range(1, 1n)]))
  setTimeout(() => abort.abort(new Error('stopped')), 100)
  await expect(endless).rejects.toThrow('stopped')
  expect((await other).rowsIn).toBe(1)
})

test('a thread that fails between its tasks ends nothing, and the next task runs', async () => {
  const executor = pool(
    "if (opened++ === 1) setImmediate(() => { throw new Error('late') }); return result(task)",
    {},
    1,
  )
  for (let i = 0; i < 3; i += 1) {
    expect((await executor.run(run([range(0, 1n)]))).rowsIn).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 100)) // for the thread to fail on its own
  }
})

test('an abort gives up a task that never ends, with the reason of the abort', async () => {
  const executor = pool('while (true) {}')
  const abort = new AbortController()
  const running = executor.run(run([range(0, 1n)], abort.signal))
  setTimeout(() => abort.abort(new Error('stopped')), 100)
  await expect(running).rejects.toThrow('stopped')
  await expect(executor.run(run([range(0, 1n)], abort.signal))).rejects.toThrow('stopped')
})

test('a fault is armed in the thread, and fires at its passage there', async () => {
  const fault = { point: 'worker-read', passage: 2, action: 'throw' } as const
  const executor = pool(`faultPoint('worker-read'); return result(task)`, { fault }, 1)
  await executor.run(run([range(0, 1n)]))
  await expect(executor.run(run([range(0, 1n)]))).rejects.toMatchObject({ code: 'FAULT_INJECTED', retryable: true })
  await executor.run(run([range(0, 1n)]))
})

test('a wiring that cannot be opened fails the batch and is tried again', async () => {
  const executor = workerPool({ threads: 1, wiringUrl: pathToFileURL(join(dir, 'nowhere.mjs')).href, setup: {} })
  open.push(executor)
  for (let i = 0; i < 2; i++)
    await expect(executor.run(run([range(0, 1n)]))).rejects.toMatchObject({
      code: 'WORKER_FAILED',
      message: expect.stringContaining('nowhere.mjs'),
    })
})

test('the same runtime runs on the calling thread', async () => {
  const result = { outputs: new Map(), columns: new Map(), ranges: [], rowsIn: 7, bytesIn: 0, violations: new Map() }
  const executor = inlineExecutor({ run: async () => result })
  expect(await executor.run(run([]))).toBe(result)
})

test('anything thrown survives the way between threads', () => {
  for (const thrown of [
    'text',
    undefined,
    new TypeError('x'),
    new MillraceError('STEP_FAILED', 'm', { problems: ['p'] }),
  ]) {
    const plain = structuredClone(toPlainError(thrown))
    expect(fromPlainError(plain)).toBeInstanceOf(MillraceError)
    expect(toPlainError(fromPlainError(plain))).toMatchObject({ code: plain.code, problems: plain.problems })
  }
})
