/** Merges with clauses over a plain map: what the statements of a merge are held against. */
import fc from 'fast-check'
import type { DeltaMergeClause } from './description.ts'

/** A row: its key, its version, and two more columns; `p` is a text in the table. */
export interface ModelRow {
  readonly k: number
  readonly v: number | null
  readonly n: number | null
  readonly p: number | null
}

/** A clause, and what it means. */
export interface ModelClause {
  readonly clause: DeltaMergeClause
  /** Null: neither true nor false. */
  readonly holds: (source: ModelRow, target: ModelRow) => boolean | null
  readonly values: (source: ModelRow, target: ModelRow) => Partial<ModelRow>
}

/** As in a description; those that are left out have their defaults. */
export interface ModelClauses {
  readonly whenMatched?: readonly ModelClause[]
  readonly whenNotMatched?: readonly ModelClause[]
  readonly whenNotMatchedBySource?: readonly ModelClause[]
}

/** The table after a merge of rows of which no two have one key and one version, and what it counts. */
export function modelMerge(
  table: ReadonlyMap<number, ModelRow>,
  batch: readonly ModelRow[],
  { whenMatched, whenNotMatched, whenNotMatchedBySource = [] }: ModelClauses,
) {
  const newest = new Map<number, ModelRow>()
  for (const each of batch) if (!newest.has(each.k) || isNewer(each, newest.get(each.k)!)) newest.set(each.k, each)
  const rows = new Map(table)
  const counts = { inserted: 0, updated: 0, deleted: 0, stale: batch.length }
  const change = (target: ModelRow, source: ModelRow, clause: ModelClause | undefined) => {
    const action = clause?.clause.then ?? 'keep'
    if (action === 'update') {
      counts.updated += 1
      rows.set(target.k, { ...target, ...clause!.values(source, target) })
    } else if (action === 'delete') {
      counts.deleted += 1
      rows.delete(target.k)
    }
    return action !== 'keep'
  }
  for (const [k, source] of newest) {
    const target = table.get(k)
    if (target !== undefined) {
      if (!isNewer(source, target)) continue
      const clause = first(whenMatched ?? [unconditional('update')], source, target)
      if (change(target, source, clause)) counts.stale -= 1
      continue
    }
    const clause = first(whenNotMatched ?? [unconditional('insert')], source, nothing)
    if (clause?.clause.then !== 'insert') continue
    rows.set(k, { ...nothing, ...clause.values(source, nothing), k })
    counts.inserted += 1
    counts.stale -= 1
  }
  for (const [k, target] of table)
    if (!newest.has(k)) change(target, nothing, first(whenNotMatchedBySource, nothing, target))
  return { rows, counts }
}

const nothing: ModelRow = { k: -1, v: null, n: null, p: null }

function first(clauses: readonly ModelClause[], source: ModelRow, target: ModelRow): ModelClause | undefined {
  return clauses.find(({ holds }) => holds(source, target) === true)
}

function isNewer(left: ModelRow, right: ModelRow): boolean {
  return (left.v ?? -1) > (right.v ?? -1)
}

function unconditional(action: DeltaMergeClause['then']): ModelClause {
  return { clause: { then: action }, holds: () => true, values: (source) => source }
}

/** A row as tests compare it. */
export function modelText({ k, v, n, p }: ModelRow): string {
  return [k, v ?? '-', n ?? '-', p ?? '-'].join(' ')
}

// ---------------------------------------------------------------------------------------------- random clauses

type Side = 'source' | 'target'

interface Meaning<T> {
  readonly sql: string
  readonly of: (source: ModelRow, target: ModelRow) => T
}

function value(sides: readonly Side[]): fc.Arbitrary<Meaning<number | null>> {
  const columnOf = fc.tuple(fc.constantFrom(...sides), fc.constantFrom('k', 'v', 'n')).map(([side, name]) => ({
    sql: `${side}.${name}`,
    of: (source: ModelRow, target: ModelRow) => (side === 'source' ? source : target)[name as 'k' | 'v' | 'n'],
  }))
  const literal = fc.integer({ min: 0, max: 3 }).map((n) => ({ sql: String(n), of: () => n }))
  const sum = fc.tuple(columnOf, literal).map(([left, right]) => ({
    sql: `${left.sql} + ${right.sql}`,
    of: (source: ModelRow, target: ModelRow) => {
      const of = left.of(source, target)
      return of === null ? null : of + right.of()
    },
  }))
  return fc.oneof(columnOf, literal, sum)
}

const operators: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '<': (a, b) => a < b,
  '>=': (a, b) => a >= b,
  '<>': (a, b) => a !== b,
}

function condition(sides: readonly Side[]): fc.Arbitrary<Meaning<boolean | null>> {
  const compare = fc
    .tuple(value(sides), fc.constantFrom(...Object.keys(operators)), value(sides))
    .map(([left, operator, right]) => ({
      sql: `${left.sql} ${operator} ${right.sql}`,
      of: (source: ModelRow, target: ModelRow) => {
        const [a, b] = [left.of(source, target), right.of(source, target)]
        return a === null || b === null ? null : operators[operator]!(a, b)
      },
    }))
  const isNull = fc.constantFrom(...sides).map((side) => ({
    sql: `${side}.p IS NULL`,
    of: (source: ModelRow, target: ModelRow) => (side === 'source' ? source : target).p === null,
  }))
  const isText = fc.tuple(fc.constantFrom(...sides), fc.integer({ min: 0, max: 3 })).map(([side, n]) => ({
    sql: `${side}.p <= '${n}'`,
    of: (source: ModelRow, target: ModelRow) => {
      const { p } = side === 'source' ? source : target
      return p === null ? null : p <= n
    },
  }))
  const simple = fc.oneof(compare, isNull, isText)
  const both = fc.tuple(simple, simple).map(([left, right]) => ({
    sql: `${left.sql} AND NOT (${right.sql})`,
    of: (source: ModelRow, target: ModelRow) => {
      const [a, b] = [left.of(source, target), right.of(source, target)]
      if (a === false || b === true) return false
      return a === null || b === null ? null : true
    },
  }))
  return fc.oneof({ weight: 3, arbitrary: simple }, { weight: 1, arbitrary: both })
}

function clause(sides: readonly Side[], actions: readonly DeltaMergeClause['then'][]): fc.Arbitrary<ModelClause> {
  const set = fc.record({ n: value(sides), p: fc.option(fc.constantFrom(...sides)) })
  return fc
    .record({ if: fc.option(condition(sides)), action: fc.constantFrom(...actions), set: fc.option(set) })
    .map(({ if: asked, action, set: chosen }): ModelClause => {
      const mayTakeAll = sides.includes('source')
      const sets = action !== 'update' && action !== 'insert' ? null : (chosen ?? (mayTakeAll ? null : undefined))
      const when = asked === null ? {} : { if: asked.sql }
      const holds = asked === null ? () => true : asked.of
      if (sets === null) return { clause: { ...when, then: action }, holds, values: (source) => source }
      if (sets === undefined)
        return { clause: { ...when, then: action, set: { p: 'NULL' } }, holds, values: () => ({ p: null }) }
      const { n, p } = sets
      return {
        // a sum that begins with a key is a long: stored as an integer it is still the same number
        clause: { ...when, then: action, set: { n: n.sql, ...(p === null ? {} : { p: `${p}.p` }) } },
        holds,
        values: (source, target) => ({
          n: n.of(source, target),
          ...(p === null ? {} : { p: (p === 'source' ? source : target).p }),
        }),
      }
    })
}

/** Up to the first that decides of every row. */
function reachable(clauses: readonly ModelClause[]): readonly ModelClause[] {
  const last = clauses.findIndex(({ clause: { if: asked } }) => asked === undefined)
  return last === -1 ? clauses : clauses.slice(0, last + 1)
}

function clauseList(sides: readonly Side[], actions: readonly DeltaMergeClause['then'][]) {
  return fc.array(clause(sides, actions), { maxLength: 3 }).map(reachable)
}

/** Clauses of every kind, some left out. */
export const anyClauses: fc.Arbitrary<ModelClauses> = fc.record(
  {
    whenMatched: clauseList(['source', 'target'], ['update', 'delete', 'keep']),
    whenNotMatched: clauseList(['source'], ['insert', 'keep']),
    whenNotMatchedBySource: clauseList(['target'], ['update', 'delete', 'keep']),
  },
  { requiredKeys: [] },
)
