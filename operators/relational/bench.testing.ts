/** Rows in, rows out, for tests of relational operators: a real stage over real files. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import { systemIds } from '../../engine/clock.ts'
import type { Stage, StageInput, StageOutput, StageResult, StageRun, Step } from '../../engine/contracts.ts'
import { type Duckdb, identifier, literal, openDuckdb, type Row } from '../../engine/duckdb.ts'
import type { Column, DataType, ParquetFile } from '../../engine/schema.ts'
import type { Budget } from './budget.ts'
import { relationalExecutor } from './executor.ts'

/** Column types, and rows of values in the order of the columns. A Uint8Array or a string serves as binary. */
export interface Rows {
  readonly columns: { readonly [name: string]: DataType }
  readonly rows: readonly (readonly unknown[])[]
}

export interface Bench {
  readonly duckdb: Duckdb
  readonly dir: string
  /** Runs steps as one stage over inputs (one input: called `source`), the last step and all rejected forks out. */
  run(steps: readonly Step[], inputs: Rows | { readonly [id: string]: Rows }, outputs?: readonly string[]): Promise<Ran>
  file(rows: Rows): Promise<ParquetFile>
  execute(
    steps: readonly Step[],
    inputs: ReadonlyMap<string, StageInput>,
    outputs?: readonly string[],
  ): Promise<StageResult>
  rowsOf(files: readonly ParquetFile[] | undefined, orderBy?: string): Promise<Row[]>
  close(): Promise<void>
}

export interface Ran {
  /** Rows of the last step, ordered by all columns. */
  readonly rows: readonly Row[]
  readonly result: StageResult
  output(name: string): Promise<Row[]>
}

/** A stage's rows one by one: what every cut must give, this one does. */
const rowByRow: Budget = { wholeBytes: 0, partBytes: 1, vectorBytes: 2 ** 11 }

export interface BenchOptions {
  /** Runs every stage a second time, row by row, and fails where that does not give the same. */
  readonly alsoInParts?: boolean
}

export async function openBench({ alsoInParts = false }: BenchOptions = {}): Promise<Bench> {
  const dir = join(tmpdir(), `millrace-relational-${randomUUID()}`)
  await mkdir(dir)
  const duckdb = await openDuckdb({ memoryLimitBytes: 512 * 2 ** 20, threads: 2, tempDir: join(dir, 'spill') })
  const common = { duckdb: async () => duckdb, ids: systemIds }
  const executor = relationalExecutor(common)
  const inParts = relationalExecutor({ ...common, budget: rowByRow })
  const file = (rows: Rows): Promise<ParquetFile> =>
    duckdb.withConnection((connection) =>
      copyToParquet(connection, valuesOf(rows), join(dir, `${randomUUID()}.parquet`)),
    )
  const execute: Bench['execute'] = async (steps, inputs, outputs) => {
    const run: StageRun = {
      pipeline: 'test',
      stage: stageOf(steps, [...inputs.keys()], outputs),
      inputs,
      stagingDir: dir,
      limits: { maxRecords: 1e6, maxBytes: 1e9, maxAgeMs: 1e6 },
      signal: new AbortController().signal,
    }
    if (!alsoInParts) return executor.run(run)
    const [whole, parts] = await Promise.allSettled([executor.run(run), inParts.run(run)])
    if (whole.status === 'rejected' || parts.status === 'rejected') {
      assert.equal((parts as PromiseRejectedResult).reason?.message, (whole as PromiseRejectedResult).reason?.message)
      throw (whole as PromiseRejectedResult).reason
    }
    assert.deepEqual(await contentOf(parts.value), await contentOf(whole.value))
    return whole.value
  }
  const contentOf = async ({ outputs, violations, rowsIn }: StageResult) => {
    const rows = new Map<string, readonly Row[]>()
    for (const [name, files] of outputs) rows.set(name, await rowsOf(files))
    return { rows: new Map([...rows].sort()), violations, rowsIn }
  }
  const rowsOf: Bench['rowsOf'] = (files = [], orderBy = 'ALL') =>
    files.length === 0
      ? Promise.resolve([])
      : duckdb.withConnection((connection) =>
          connection.rows(
            `SELECT * FROM read_parquet([${files.map(({ path }) => literal(path))}]) ORDER BY ${orderBy}`,
          ),
        )
  return {
    duckdb,
    dir,
    file,
    execute,
    rowsOf,
    async run(steps, inputs, outputs) {
      const named = isRows(inputs) ? { source: inputs } : inputs
      const files = new Map<string, StageInput>()
      for (const [id, rows] of Object.entries(named)) files.set(id, { kind: 'files', files: [await file(rows)] })
      const result = await execute(steps, files, outputs)
      const output = (name: string): Promise<Row[]> => rowsOf(result.outputs.get(name))
      return { rows: await output(steps.at(-1)!.id), result, output }
    },
    async close() {
      await duckdb.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** One stage of the steps; a step without `from` reads the one before it. */
export function stageOf(steps: readonly Step[], inputs: readonly string[], outputs?: readonly string[]): Stage {
  let previous = inputs[0] ?? 'source'
  const bound = steps.map((step) => {
    const from = step.from ?? [previous]
    previous = step.id
    return { ...step, from }
  })
  const valid = (outputs ?? [previous]).map((step): StageOutput => ({ step, fork: 'valid' }))
  const rejected = steps.filter((step) => step.rejects).map(({ id }): StageOutput => ({ step: id, fork: 'rejected' }))
  return { id: steps[0]!.id, executor: 'relational', steps: bound, inputs, outputs: [...valid, ...rejected] }
}

function isRows(inputs: Rows | { readonly [id: string]: Rows }): inputs is Rows {
  return Array.isArray(inputs.rows)
}

function valuesOf({ columns, rows }: Rows): string {
  const list: Column[] = Object.entries(columns).map(([name, type]) => ({ name, type }))
  const select = (values: readonly string[]): string =>
    `SELECT ${list.map(({ name, type }, i) => `CAST(${values[i]} AS ${duckdbType(type)}) AS ${identifier(name)}`).join(', ')}`
  if (rows.length === 0) return `${select(list.map(() => 'NULL'))} WHERE false`
  return rows.map((row) => select(row.map(sqlValue))).join('\nUNION ALL ')
}

function sqlValue(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (value instanceof Uint8Array) return `from_hex(${literal(Buffer.from(value).toString('hex'))})`
  if (Array.isArray(value)) return `[${value.map(sqlValue).join(', ')}]`
  if (typeof value === 'object')
    return `struct_pack(${Object.entries(value)
      .map(([name, part]) => `${identifier(name)} := ${sqlValue(part)}`)
      .join(', ')})`
  return literal(value as string | number | bigint | boolean)
}
