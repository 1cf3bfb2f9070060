/** A pipeline that puts every record of its ranges into the dead letters, and moves its other sinks past them without rows. */
import { duckdbType } from '../engine/batch/duckdb-types.ts'
import type { SinkDescription, Step } from '../engine/contracts.ts'
import { identifier, literal } from '../engine/duckdb.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { deadLetterColumns, recordColumns } from '../engine/record.ts'
import { sql, union } from '../operators/index.ts'

/** Code of a dead letter that was set aside with its whole batch. */
export const setAsideCode = 'SET_ASIDE'

/** The same sources and sinks. Its fingerprint is one of its own: a run that ends in the middle leaves what the dead letters alone hold. */
export function setAsidePipeline(pipeline: Pipeline): Pipeline {
  const steps = stepsOf(pipeline)
  const last = steps.at(-1)!.id
  const inputs = (i: number): SinkDescription['inputs'] => (i === pipeline.deadLetters ? { rows: last } : {})
  return {
    ...pipeline,
    steps,
    sinks: pipeline.sinks.map((sink, i) => ({ ...sink, inputs: inputs(i) })),
    deadLetters: -1,
    fingerprint: `set-aside ${pipeline.fingerprint}`,
  }
}

/** Why a sink cannot be moved past a range without rows; null if it can. */
export function needsRows({ kind, options }: SinkDescription): string | null {
  if (kind !== 'delta') return null
  if (options.mode === 'overwrite') return `a batch without rows would empty table ${String(options.table)}`
  const clauses = options.whenNotMatchedBySource
  if (!Array.isArray(clauses) || clauses.length === 0) return null
  return `a batch without rows would change table ${String(options.table)}: whenNotMatchedBySource`
}

function stepsOf({ name, sources }: Pipeline): Pipeline['steps'] {
  const letters = Object.entries(sources).map(([source, { shape }], i) =>
    from(sql(`set-aside-${i}`, letterQuery(name, shape), { from: [source] }), [source]),
  )
  if (letters.length === 1) return letters
  const ids = letters.map(({ id }) => id)
  return [...letters, from(union('set-aside', ids), ids)]
}

function from(step: Step, inputs: readonly string[]): Pipeline['steps'][number] {
  return { ...step, from: inputs }
}

/** A record keeps its place and bytes; of a row of a table the value is the row as JSON. */
function letterQuery(pipeline: string, shape: 'records' | 'table'): string {
  const labels: Readonly<Record<string, string>> = {
    pipeline: literal(pipeline),
    step: literal('recover'),
    code: literal(setAsideCode),
    message: literal('set aside by recover, with its whole batch'),
  }
  const own = new Set(recordColumns.map(({ name }) => name))
  const columns = deadLetterColumns.map(({ name, type }) => {
    const quoted = identifier(name)
    if (labels[name] !== undefined) return `${labels[name]} AS ${quoted}`
    if (shape === 'records' && own.has(name)) return quoted
    return `CAST(${name === 'value' ? 'encode(CAST(to_json(batch) AS VARCHAR))' : 'NULL'} AS ${duckdbType(type)}) AS ${quoted}`
  })
  return `SELECT ${columns.join(', ')} FROM batch`
}
