/** From a stage's plans to SQL text. Runs nothing, except to ask for the columns of what only the engine knows. */
import { describeColumns, duckdbType } from '../../engine/batch/duckdb-types.ts'
import { type Connection, identifier, literal } from '../../engine/duckdb.ts'
import { duckdbDialect } from '../expressions/duckdb.ts'
import { fuse } from './fuse.ts'
import { type Plan, type PlanContext, recordColumn, type ScanPlan } from './plan.ts'
import { carryRecord, recordColumns } from './record.ts'
import { readShared } from './stage-plan.ts'
import { statement } from './statement.ts'

/** Query that gives an input's columns, by id. */
export type Relations = ReadonlyMap<string, string>

/** What the plans of a stage are compiled against. */
export interface Compilation {
  readonly relations: Relations
  /** Plans whose rows are already in a table of the given name, or are what the relation of that name gives. */
  readonly tables: ReadonlyMap<Plan, string>
}

/** The SELECT of a plan; of its kept table, where it has one. */
export function compile(plan: Plan, { relations, tables }: Compilation): string {
  const all = new Map(relations)
  for (const name of tables.values()) if (!all.has(name)) all.set(name, `SELECT * FROM ${identifier(name)}`)
  return statement(fuse(readShared(plan, tables)), duckdbDialect, (scan) => scanQuery(scan, all))
}

/** Name of the next table of kept rows. */
export function keptName(tables: Compilation['tables']): string {
  return `_millrace_kept_${tables.size}`
}

/** Computes a plan once, into the table of the next {@link keptName}, which goes when the connection does. */
export function keepStatement(plan: Plan, compilation: Compilation): string {
  return `CREATE TEMP TABLE ${identifier(keptName(compilation.tables))} AS ${compile(plan, compilation)}`
}

/** The SELECT of a step's dead letters: cause first, then the record that each row came from. */
export function compileDeadLetters(
  rejected: Plan,
  cause: { readonly pipeline: string; readonly step: string },
  relations: Relations,
): string {
  const query = compile(carryRecord(rejected), { relations, tables: new Map() })
  const record = recordColumns.map(
    ({ name, type }) =>
      `CAST(struct_extract(${identifier(recordColumn)}, ${literal(name)}) AS ${duckdbType(type)}) AS ${identifier(name)}`,
  )
  return `SELECT ${literal(cause.pipeline)} AS pipeline, ${literal(cause.step)} AS step, code, message, ${record.join(', ')} FROM (${query})`
}

function scanQuery(scan: ScanPlan, relations: Relations): string {
  const query = relations.get(scan.input) ?? ''
  if (!scan.packRecord) return query
  const has = new Set(scan.columns.map(({ name }) => name))
  const fields = recordColumns.map(({ name, type }) => {
    const value = has.has(name) ? identifier(name) : 'NULL'
    return `${identifier(name)} := CAST(${value} AS ${duckdbType(type)})`
  })
  return `SELECT *, struct_pack(${fields.join(', ')}) AS ${identifier(recordColumn)} FROM (${query})`
}

/** Asks the engine for a plan's columns, without running it. */
export function describer(connection: Connection, relations: Relations): PlanContext['describe'] {
  return (plan) => describeColumns(connection, compile(plan, { relations, tables: new Map() }))
}
