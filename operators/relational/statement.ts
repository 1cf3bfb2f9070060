/** Renders a plan as one SELECT, a common table expression per step. Pure. */
import type { Column } from '../../engine/schema.ts'
import type { Dialect } from '../expressions/dialect.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'
import type { NetChangesPlan, Plan, ScanPlan } from './plan.ts'

/** Alias of the relation that an expression's columns belong to. */
const alias = '_m'

/** The query of a plan. `scan` gives the text that reads an input's columns (and packs its record when asked to). */
export function statement(plan: Plan, dialect: Dialect, scan: (plan: ScanPlan) => string): string {
  const writer: Writer = { dialect, scan, tables: [], names: new Set(['batch']) }
  const last = select(plan, writer)
  if (writer.tables.length === 0) return last
  return `WITH ${writer.tables.join(',\n')}\n${last}`
}

interface Writer {
  readonly dialect: Dialect
  readonly scan: (plan: ScanPlan) => string
  /** `name AS (select)`, in order. */
  readonly tables: string[]
  readonly names: Set<string>
}

/** Names a plan's rows, for another to read. Inlined by the engine, so that filters reach the files. */
function table(plan: Plan, writer: Writer): string {
  const query = select(plan, writer)
  let name = plan.step
  for (let n = 2; writer.names.has(name.toLowerCase()); n++) name = `${plan.step}.${n}`
  writer.names.add(name.toLowerCase())
  const quoted = writer.dialect.identifier(name)
  writer.tables.push(`${quoted} AS NOT MATERIALIZED (\n  ${query}\n)`)
  return `${quoted} AS ${alias}`
}

function select(plan: Plan, writer: Writer): string {
  const name = writer.dialect.identifier
  const render = (expression: Expression): string => writer.dialect.expression(expression, alias)
  switch (plan.op) {
    case 'scan':
      return writer.scan(plan)
    case 'project': {
      const values = plan.values.map((value) => `${render(value.value)} AS ${name(value.name)}`)
      const filtered = plan.from.op === 'filter' ? plan.from : null
      const from = table(filtered?.from ?? plan.from, writer)
      const where = filtered === null ? '' : `\n  WHERE ${render(filtered.where)}`
      return `SELECT ${values.join(', ')}\n  FROM ${from}${where}`
    }
    case 'filter':
      return `SELECT ${columnList(plan.columns, writer)}\n  FROM ${table(plan.from, writer)}\n  WHERE ${render(plan.where)}`
    case 'flatten':
      return flattened(plan, render, writer)
    case 'union':
      return plan.inputs
        .map((input) => `SELECT ${columnList(plan.columns, writer)} FROM ${table(input, writer)}`)
        .join('\n  UNION ALL ')
    case 'latest': {
      const key = plan.key.length === 0 ? '' : `PARTITION BY ${plan.key.map(render).join(', ')} `
      const order = plan.order.map((value) => `${render(value)} DESC NULLS LAST`).join(', ')
      // Not arg_max over whole rows: it holds fewer where keys repeat, but takes twice the time and memory where they do not.
      const from = table(plan.from, writer)
      return `SELECT ${columnList(plan.columns, writer)}\n  FROM ${from}\n  QUALIFY row_number() OVER (${key}ORDER BY ${order}) = 1`
    }
    case 'net-changes':
      return netChanges(plan, writer)
    case 'sql':
      // On lines of its own: the text may end in a comment.
      return `SELECT * FROM (WITH batch AS (SELECT * FROM ${table(plan.from, writer)}) SELECT * FROM (\n${plan.text}\n  ))`
  }
}

function flattened(
  plan: Extract<Plan, { op: 'flatten' }>,
  render: (expression: Expression) => string,
  writer: Writer,
): string {
  const name = writer.dialect.identifier
  const keep = plan.keep.map(({ name: column, value }: NamedExpression) => `${render(value)} AS ${name(column)}`)
  const list = render(plan.list)
  const values = [...keep, `unnest(${list}) AS ${name(plan.as)}`]
  if (plan.position !== null) values.push(`unnest(range(len(${list}))) AS ${name(plan.position)}`)
  const rows = `SELECT ${values.join(', ')}\n  FROM ${table(plan.from, writer)}`
  // Kept columns may have been written before the element; the plan's order counts.
  return `SELECT ${columnList(plan.columns, writer)} FROM (${rows}) AS ${alias}`
}

/**
 * Aggregate over a key's rows of a change feed: `value` of the row before or after, null where there is none. The row before is the one
 * that the key's first version took away; the row after, the one that its last version left. A version that both takes away and adds is
 * an update.
 */
export function sideOf(side: 'before' | 'after', value: string, from: string): string {
  const version = `${from}."_commit_version"`
  const [least, types] =
    side === 'before' ? ['min', "'delete', 'update_preimage'"] : ['max', "'insert', 'update_postimage'"]
  const which = `FILTER (WHERE ${from}."_change_type" IN (${types}))`
  return `CASE WHEN ${least}(${version}) ${which} = ${least}(${version}) THEN arg_${least}(${value}, ${version}) ${which} END`
}

/** One row per key that differs. */
function netChanges(plan: NetChangesPlan, writer: Writer): string {
  const name = writer.dialect.identifier
  const column = (of: string): string => `${alias}.${name(of)}`
  const row = `struct_pack(${plan.state.map((of) => `${name(of)} := ${column(of)}`).join(', ')})`
  const [before, after] = [sideOf('before', row, alias), sideOf('after', row, alias)]
  const keys = plan.key.map((of) => `${column(of)} AS ${name(of)}`)
  const group = plan.key.length === 0 ? '' : `\n  GROUP BY ${plan.key.map(column).join(', ')}`
  const all = [...keys, `${before} AS "before"`, `${after} AS "after"`].join(', ')
  const rows = `SELECT ${all}\n  FROM ${table(plan.from, writer)}${group}`
  return `SELECT * FROM (${rows}) AS ${alias}\n  WHERE ${alias}."before" IS DISTINCT FROM ${alias}."after"`
}

function columnList(columns: readonly Column[], writer: Writer): string {
  return columns.map((column) => `${alias}.${writer.dialect.identifier(column.name)}`).join(', ')
}
