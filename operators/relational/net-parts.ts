/** The net changes of a change feed in files, in parts. */
import { identifier, type Row } from '../../engine/duckdb.ts'
import type { NetChangesPlan } from './plan.ts'
import { placeColumns } from './scan.ts'
import { type CutLimits, type Segment, widestVector } from './segments.ts'
import { sideOf } from './statement.ts'
import type { Reading, StoredRows } from './stored-rows.ts'

const pairs = '_millrace_pairs'
const sizes = '_millrace_sizes'
const { file, row } = placeColumns

/**
 * Keys and versions decide which rows of the feed are those before and after; keys whose rows lie together in the files are then
 * read together.
 */
export async function* netParts(
  { connection, budget }: Reading,
  plan: NetChangesPlan,
  stored: StoredRows,
): AsyncGenerator<string> {
  if (stored.segments.length === 0) return
  await connection.run(`CREATE OR REPLACE TEMP TABLE ${sizes} AS ${sizesQuery(stored.segments)}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE ${pairs} AS ${pairsQuery(plan, stored, budget)}`)
  const bounds = await connection.rows(
    `SELECT part, side, place.file AS file, min(place.row) AS first, max(place.row) AS last FROM (
       SELECT part, 'before' AS side, before AS place FROM ${pairs} UNION ALL SELECT part, 'after', after FROM ${pairs}
     ) WHERE place IS NOT NULL GROUP BY ALL`,
  )
  const parts = Map.groupBy(bounds, (bound) => Number(bound.part))
  for (const [part, own] of [...parts].sort(([a], [b]) => a - b)) yield partQuery(plan, stored, part, own)
  await connection.run(`DROP TABLE ${pairs}`)
  await connection.run(`DROP TABLE ${sizes}`)
}

/** What a row takes, by its place. */
function sizesQuery(segments: readonly Segment[]): string {
  const rows = segments.map(
    ({ index, from, rows: count, bytes }) => `(${index}, ${from}, ${from + count}, ${bytes / count}::DOUBLE)`,
  )
  return `SELECT * FROM (VALUES ${rows.join(', ')}) AS v ("file", "first", "past", "bytes")`
}

/** Places of the rows before and after of every key, and the part that it belongs to. */
function pairsQuery(plan: NetChangesPlan, { relation, segments }: StoredRows, limits: CutLimits): string {
  const most = widestVector(segments) > limits.vectorBytes ? limits.vectorBytes : limits.partBytes
  const keys = plan.key.map((name) => `m.${identifier(name)}`)
  const place = `struct_pack("file" := m.${file}, "row" := m.${row})`
  const sides = [`${sideOf('before', place, 'm')} AS before`, `${sideOf('after', place, 'm')} AS after`]
  const group = keys.length === 0 ? '' : ` GROUP BY ${keys.join(', ')}`
  const found = `SELECT ${[...keys, ...sides].join(', ')} FROM (${relation.part(segments, { withPlaces: true })}) m${group}`
  const weighed = `SELECT f.*, coalesce(b.bytes, 0) + coalesce(a.bytes, 0) AS bytes FROM (${found}) f ${sizeOf('b', 'before')} ${sizeOf('a', 'after')}`
  const before = 'sum(bytes) OVER (ORDER BY coalesce(after, before) ROWS UNBOUNDED PRECEDING) - bytes'
  return `SELECT * EXCLUDE (bytes), CAST(floor((${before}) / ${most}) AS BIGINT) AS part FROM (${weighed})`
}

function sizeOf(alias: string, side: string): string {
  return `LEFT JOIN ${sizes} ${alias} ON ${alias}."file" = f.${side}."file" AND f.${side}."row" >= ${alias}."first" AND f.${side}."row" < ${alias}."past"`
}

function partQuery(plan: NetChangesPlan, { relation }: StoredRows, part: number, bounds: readonly Row[]): string {
  const columns = plan.columns[plan.key.length]!.type
  const state = typeof columns === 'object' && columns.kind === 'struct' ? columns.fields : []
  const packed = `struct_pack(${plan.state.map((name) => `${identifier(name)} := ${identifier(name)}`).join(', ')})`
  const rowsOf = (side: string): string => {
    const segments = bounds
      .filter((bound) => bound.side === side)
      .map((bound): Segment => {
        const [index, from] = [Number(bound.file), Number(bound.first)]
        const rows = Number(bound.last) - from + 1
        return { file: relation.files[index]!, index, from, rows, bytes: 0, isFile: false }
      })
    return `SELECT ${file}, ${row}, ${packed} AS r FROM (${relation.part(segments, { columns: state, withPlaces: true })})`
  }
  const join = (alias: string, side: string) =>
    `LEFT JOIN (${rowsOf(side)}) ${alias} ON ${alias}.${file} = p.${side}."file" AND ${alias}.${row} = p.${side}."row"`
  const keys = plan.key.map((name) => `p.${identifier(name)}`)
  return `SELECT ${[...keys, 'b.r AS "before"', 'a.r AS "after"'].join(', ')} FROM (SELECT * FROM ${pairs} WHERE part = ${part}) p ${join('b', 'before')} ${join('a', 'after')} WHERE b.r IS DISTINCT FROM a.r`
}
