/** Before a batch is committed: sinks whose stores refuse rows for their content find them, and they join the dead letters. */
import { copyFile, link } from 'node:fs/promises'
import { join } from 'node:path'
import { Binary, Utf8 } from 'apache-arrow'
import { batchOf, bytesColumn, constantColumn, nullColumn, tableOf, textColumn } from './batch/arrow.ts'
import type { BatchSink } from './commit.ts'
import type { RefusedRow, SinkCommit } from './contracts.ts'
import { deadLetterSchema } from './dead-letter.ts'
import { MillraceError } from './errors.ts'
import type { PipelineEvent } from './events.ts'
import type { ParquetFile } from './schema.ts'

/** A sink of a batch, and whether it takes the dead letters. */
export interface PreparedSink extends BatchSink {
  readonly holdsDeadLetters: boolean
}

/** What preparing needs beside the batch. */
export interface PrepareOptions {
  readonly hasDeadLetters: boolean
  /** An existing folder. */
  readonly stagingDir: string
  readonly emit: (event: PipelineEvent) => void
}

/** Code of a dead letter that a store refused. */
export const refusedCode = 'STORE_REFUSED'

/**
 * Prepares every sink, so that what one of them refuses for good is thrown before the first commit, and gives the sinks back with the
 * refused rows among the dead letters' outputs. The dead letters' sink is prepared last, with all of them. Where a batch is replayed
 * without its dead letters refused rows are only reported (`refused`). `SINK_FAILED` where rows are refused and the pipeline has no dead
 * letters, and where the dead letters' sink refuses a row itself: nothing is committed then.
 */
export async function prepareSinks<Target extends PreparedSink>(
  sinks: readonly Target[],
  commit: Omit<SinkCommit, 'outputs' | 'columns'>,
  { hasDeadLetters, stagingDir, emit }: PrepareOptions,
): Promise<Target[]> {
  const files: ParquetFile[] = []
  const setAside = sinks.some(({ holdsDeadLetters }) => holdsDeadLetters)
  const owned = await withOwnFiles(sinks, stagingDir)
  for (const target of owned.filter(({ holdsDeadLetters }) => !holdsDeadLetters)) {
    const refused = await prepare(target, commit)
    if (refused === null) continue
    const { name } = target.sink
    if (!hasDeadLetters) throw refusal(name, refused)
    const { message, row } = refused.first
    const about = { sink: name, rows: refused.count, message, row: shortened(row), setAside }
    emit({ type: 'refused', pipeline: commit.pipeline, ...about })
    if (!setAside) continue
    const path = join(stagingDir, `refused-${files.length}.parquet`)
    files.push(refused.file ?? (await writeRefused(refused.rows, { pipeline: commit.pipeline, step: name, path })))
  }
  const prepared = files.length === 0 ? owned : owned.map((target) => withLetters(target, files))
  for (const target of prepared.filter(({ holdsDeadLetters }) => holdsDeadLetters)) {
    const refused = await prepare(target, commit)
    if (refused !== null) throw letterRefused(target.sink.name, refused)
  }
  return prepared
}

/** Of files that several sinks are handed, those that move theirs get ones with names of their own. */
async function withOwnFiles<Target extends PreparedSink>(
  sinks: readonly Target[],
  stagingDir: string,
): Promise<Target[]> {
  const shared = sharedPaths(sinks)
  let links = 0
  const own = async (file: ParquetFile): Promise<ParquetFile> => {
    if (!shared.has(file.path)) return file
    const path = join(stagingDir, `own-${links++}.parquet`)
    await linkOrCopy(file.path, path)
    return { ...file, path }
  }
  const owned: Target[] = []
  for (const target of sinks) {
    const outputs = new Map<string, readonly ParquetFile[]>()
    if (target.sink.movesFiles === true)
      for (const [input, files] of target.outputs) outputs.set(input, await Promise.all(files.map(own)))
    owned.push(target.sink.movesFiles === true ? { ...target, outputs } : target)
  }
  return owned
}

/** Paths of files that more than one sink is handed. */
function sharedPaths(sinks: readonly PreparedSink[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const shared = new Set<string>()
  for (const { outputs } of sinks) {
    const its = new Set([...outputs.values()].flat().map(({ path }) => path))
    for (const path of its) (seen.has(path) ? shared : seen).add(path)
  }
  return shared
}

/** Not every filesystem has links. */
function linkOrCopy(from: string, to: string): Promise<void> {
  return link(from, to).catch(() => copyFile(from, to))
}

/** Rows that one sink refuses. */
type Refused = { readonly first: RefusedRow; readonly count: number } & (
  | { readonly rows: readonly RefusedRow[]; readonly file: null }
  | { readonly file: ParquetFile }
)

async function prepare(
  { sink, outputs, columns }: PreparedSink,
  commit: Omit<SinkCommit, 'outputs' | 'columns'>,
): Promise<Refused | null> {
  const refused = (await sink.prepare?.({ ...commit, outputs, columns })) ?? []
  if ('file' in refused) return { ...refused, count: refused.file.rows }
  const [first] = refused
  return first === undefined ? null : { first, count: refused.length, rows: refused, file: null }
}

function withLetters<Target extends PreparedSink>(target: Target, files: readonly ParquetFile[]): Target {
  if (!target.holdsDeadLetters) return target
  return { ...target, outputs: new Map([['rows', [...(target.outputs.get('rows') ?? []), ...files]]]) }
}

function refusal(sink: string, { first, count }: Refused): MillraceError {
  return new MillraceError(
    'SINK_FAILED',
    `${sink} refuses ${count === 1 ? 'a row' : `${count} rows`}: ${first.message}: ${shortened(first.row)} (give the pipeline deadLetters to set such rows aside, or change the step before)`,
    { context: { sink, input: first.input, rows: count } },
  )
}

function letterRefused(sink: string, { first, count }: Refused): MillraceError {
  return new MillraceError(
    'SINK_FAILED',
    `${sink} is to hold the dead letters and refuses ${count === 1 ? 'one' : `${count} of them`}: ${first.message}: ${shortened(first.row)} (nothing was committed: raise its limits, or keep dead letters in a table of their own)`,
    { context: { sink, rows: count } },
  )
}

function shortened(row: string): string {
  return row.length <= 120 ? row : `${row.slice(0, 119)}…`
}

/** Rows of tables have no topic, partition and offset: those are null, and the value is the row as JSON. */
async function writeRefused(
  refused: readonly RefusedRow[],
  { pipeline, step, path }: { readonly pipeline: string; readonly step: string; readonly path: string },
): Promise<ParquetFile> {
  const { writeParquet } = await import('./batch/parquet.ts') // WASM: loaded by the few batches that need it
  const rows = refused.length
  const label = (value: string) => constantColumn(new Utf8(), Buffer.from(value), rows)
  const given = new Map([
    ['pipeline', label(pipeline)],
    ['step', label(step)],
    ['code', label(refusedCode)],
    [
      'message',
      textColumn(
        new Utf8(),
        refused.map(({ message }) => message),
      ),
    ],
    ['value', bytesColumn(refused.map(({ row }) => Buffer.from(row))).clone(new Binary())],
  ])
  const columns = deadLetterSchema.fields.map((field) => given.get(field.name) ?? nullColumn(field.type, rows))
  return writeParquet([tableOf([batchOf(deadLetterSchema.fields, columns, rows)])], path)
}
