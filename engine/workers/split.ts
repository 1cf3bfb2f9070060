/** Cuts a stage's run into tasks for threads, and puts their results together. Pure. */
import type { InputFile, Range, StageInput, StageResult } from '../contracts.ts'
import type { Column, ParquetFile } from '../schema.ts'
import type { WorkerTask } from './task.ts'

/** Fewer records than this for each task are not worth another thread, and another small file. */
const minRecordsPerTask = 2000
/** The same for rows that take long. */
const minSlowRowsPerTask = 64

/**
 * At most `threads` tasks: source partitions (or files, or parts of files where rows take long) are dealt out, the largest first, each to
 * the task that has least. A partition is never in two tasks. The byte limit is shared out by the records of each.
 */
export function splitTask(task: WorkerTask, threads: number): WorkerTask[] {
  const slow = task.stage.steps.some((step) => step.slow === true)
  const units = [...task.inputs].flatMap(([input, value]) =>
    slow && value.kind === 'files' ? partsOf(input, value.files, threads) : unitsOf(input, value),
  )
  const records = units.reduce((sum, unit) => sum + unit.weight, 0)
  const inRecords = [...task.inputs.values()].every(({ kind }) => kind === 'records')
  const worthwhile = inRecords ? Math.floor(records / minRecordsPerTask) : threads
  const count = Math.max(1, Math.min(threads, units.length, worthwhile))
  if (count === 1) return [task]

  const shares = Array.from({ length: count }, () => ({ units: [] as Unit[], weight: 0 }))
  for (const unit of units.toSorted((a, b) => b.weight - a.weight)) {
    const least = shares.reduce((best, share) => (share.weight < best.weight ? share : best))
    least.units.push(unit)
    least.weight += unit.weight
  }
  return shares
    .filter(({ units }) => units.length > 0)
    .map(({ units, weight }) => ({
      ...task,
      inputs: inputsOf(task, units),
      limits: { ...task.limits, maxBytes: Math.ceil((task.limits.maxBytes * weight) / Math.max(1, records)) },
    }))
}

interface Unit {
  readonly input: string
  /** Place among the ranges or files of its input. */
  readonly index: number
  /** Of the file. */
  readonly part?: NonNullable<InputFile['part']>
  readonly weight: number
}

function unitsOf(input: string, value: StageInput): Unit[] {
  switch (value.kind) {
    case 'records':
      return value.ranges.map((range, index) => ({ input, index, weight: Number(range.end - range.start) }))
    case 'table':
      return value.table.files.map((_, index) => ({ input, index, weight: 1 }))
    case 'files':
      return value.files.map((file, index) => ({ input, index, weight: file.rows }))
  }
}

/** Files cut so that each thread can have as many rows as any other. */
function partsOf(input: string, files: readonly InputFile[], threads: number): Unit[] {
  const all = files.reduce((sum, { rows }) => sum + rows, 0)
  const most = Math.max(minSlowRowsPerTask, Math.ceil(all / threads))
  return files.flatMap((file, index) => {
    const parts = Math.max(1, Math.ceil(file.rows / most))
    const rows = Math.ceil(file.rows / parts)
    return Array.from({ length: parts }, (_, i): Unit => {
      const part = { from: i * rows, rows: Math.min(rows, file.rows - i * rows) }
      return { input, index, weight: part.rows, part }
    })
  })
}

/** The inputs with only the given units, in their own order. */
function inputsOf(task: WorkerTask, units: readonly Unit[]): Map<string, StageInput> {
  const inputs = new Map<string, StageInput>()
  for (const [name, value] of task.inputs) {
    const own = units.filter(({ input }) => input === name)
    const indices = new Set(own.map(({ index }) => index))
    const chosen = <T>(all: readonly T[]): T[] => all.filter((_, index) => indices.has(index))
    if (indices.size === 0) continue
    if (value.kind === 'records') inputs.set(name, { ...value, ranges: chosen(value.ranges) })
    else if (value.kind === 'files') inputs.set(name, { ...value, files: filesOf(value.files, own) })
    else inputs.set(name, { ...value, table: { ...value.table, files: chosen(value.table.files) } })
  }
  return inputs
}

function filesOf(files: readonly InputFile[], units: readonly Unit[]): InputFile[] {
  const inOrder = units.toSorted((a, b) => a.index - b.index || (a.part?.from ?? 0) - (b.part?.from ?? 0))
  return inOrder.map(({ index, part }) => ({ ...files[index]!, ...(part === undefined ? {} : { part }) }))
}

/** One result of all tasks; ranges in the order in which the run named them. */
export function mergeResults(task: WorkerTask, results: readonly StageResult[]): StageResult {
  const outputs = new Map<string, readonly ParquetFile[]>()
  const columns = new Map<string, readonly Column[]>()
  const violations = new Map<string, number>()
  for (const result of results) {
    for (const [name, files] of result.outputs) outputs.set(name, [...(outputs.get(name) ?? []), ...files])
    for (const [name, found] of result.columns) columns.set(name, found)
    for (const [step, count] of result.violations) violations.set(step, (violations.get(step) ?? 0) + count)
  }
  return {
    outputs,
    columns,
    ranges: inOrder(
      task,
      results.flatMap(({ ranges }) => ranges),
    ),
    rowsIn: results.reduce((sum, { rowsIn }) => sum + rowsIn, 0),
    bytesIn: results.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
    violations,
    ...(results.some(({ embedded }) => embedded !== undefined) ? { embedded: sumEmbedded(results) } : {}),
  }
}

function sumEmbedded(results: readonly StageResult[]): NonNullable<StageResult['embedded']> {
  const sum = (of: 'computed' | 'cached') => results.reduce((total, { embedded }) => total + (embedded?.[of] ?? 0), 0)
  return { computed: sum('computed'), cached: sum('cached') }
}

function inOrder(task: WorkerTask, ranges: readonly Range[]): Range[] {
  const planned = [...task.inputs.values()].flatMap((input) => (input.kind === 'records' ? input.ranges : []))
  const place = new Map(planned.map(({ sourcePartition }, index) => [sourcePartition, index]))
  return ranges.toSorted((a, b) => (place.get(a.sourcePartition) ?? 0) - (place.get(b.sourcePartition) ?? 0))
}
