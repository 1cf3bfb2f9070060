/**
 * Whether the rows of a table lie in the ranges that its commits covered, each once, by their columns `topic`,
 * `partition`, `offset`. Of dead letters `pipeline` and `step` count too: a record may be rejected once by each step.
 * - `row-outside`: rows whose position lies in no range of any pipeline; the span goes from the first to behind the
 *   last of them within one hole of the ranges.
 * - `row-twice`: positions that are there more often than there are pipelines that covered them; the span goes from
 *   the first to behind the last of them. A pipeline that makes several rows of a record is told here too.
 *
 * Rows without a position are passed over, and so are dead letters of pipelines that read a table: theirs are positions
 * of a log, and the ranges are versions. Before the first range of a log that was cleaned up nothing is outside.
 */
import { type Connection, identifier, literal } from '../../engine/duckdb.ts'
import { recordColumns } from '../../engine/record.ts'
import type { Column } from '../../engine/schema.ts'
import type { LogAudit } from './audit.ts'
import type { Chain } from './audit-chain.ts'
import type { Finding, FindingKind } from './audit-finding.ts'
import { mergeSpans, type Span, subtractSpans } from './spans.ts'

/** Columns that say where a record stood in its log. */
const positionColumns = recordColumns.filter(({ name }) => ['topic', 'partition', 'offset'].includes(name))

const letterColumns = ['pipeline', 'step'] as const

/** What the files say. */
export interface RowAudit {
  /** Live rows in a chain's ranges; null where these are no offsets, or rows of several pipelines cannot be told apart. */
  readonly rowsOf: (chain: Chain) => bigint | null
  readonly findings: readonly Finding[]
}

export interface RowAuditOptions {
  readonly log: LogAudit
  readonly columns: readonly Column[]
  /** SQL text of a query for the table's rows at the version `log.to`. */
  readonly query: string
  readonly connection: Connection
}

/** Why the rows of a table cannot be held against its ranges; null if they can. */
export function whyNoRowAudit({ log, columns }: Pick<RowAuditOptions, 'log' | 'columns'>): string | null {
  if (log.pipelines.size === 0) return 'no commit of a pipeline is left in its log'
  const missing = positionColumns.filter((wanted) => !columns.some((column) => same(wanted, column)))
  if (missing.length > 0) return `it has no column ${missing.map(({ name, type }) => `${name} (${type})`).join(', ')}`
  const elsewhere = pipelinesOfTables(log)
  if (elsewhere.length === 0 || (holdsLetters(columns) && elsewhere.length < log.pipelines.size)) return null
  return `ranges of ${elsewhere.join(', ')} are versions of a table, not offsets`
}

/** Reads the position of every row, whatever the size of the table: DuckDB spills where memory does not do. */
export async function auditRows(options: RowAuditOptions): Promise<RowAudit> {
  const { log, connection } = options
  const letters = holdsLetters(options.columns)
  const rows = positionsQuery(options, letters)
  const counts = await connection.rows(countQuery(rows, regionsOf(log)))
  const twice = await connection.rows(twiceQuery(rows, letters ? [] : coveredBy(log)))
  const findings = [
    ...counts.filter(({ kind }) => kind === 'outside' || kind === null).map((row) => outside(log, row)),
    ...twice.map((row) => twiceFinding(log, row)),
  ]
  const rowsOf = (chain: Chain): bigint | null => {
    if (!isOfLog(chain)) return null
    if (!letters && chainsOf(log, chain.sourcePartition).length > 1) return null
    return counts
      .filter((row) => row.kind === 'inside' && row.source_partition === chain.sourcePartition)
      .filter((row) => !letters || row.pipeline === chain.pipeline)
      .reduce((sum, row) => sum + (row.rows as bigint), 0n)
  }
  return { rowsOf, findings }
}

function holdsLetters(columns: readonly Column[]): boolean {
  return letterColumns.every((name) => columns.some((column) => column.name === name))
}

function same(left: Column, right: Column): boolean {
  return left.name === right.name && left.type === right.type
}

/** Whether its source partition is `<topic>/<partition>`. */
function isOfLog({ sourcePartition }: Chain): boolean {
  return /.\/\d+$/.test(sourcePartition)
}

/** Pipelines that read no log. */
function pipelinesOfTables({ chains, pipelines }: LogAudit): string[] {
  const reading = new Set(chains.filter(isOfLog).map(({ pipeline }) => pipeline))
  return [...pipelines.keys()].filter((pipeline) => !reading.has(pipeline)).sort()
}

function chainsOf({ chains }: LogAudit, sourcePartition: unknown): readonly Chain[] {
  return chains.filter((chain) => chain.sourcePartition === sourcePartition)
}

// ---------------------------------------------------------------------------------------------- regions

/** A stretch of a source partition, and how rows in it are to be taken. `older`: by commits that the log has no more. */
interface Region {
  readonly kind: 'inside' | 'older' | 'outside'
  readonly sourcePartition: string
  readonly span: Span
}

/** All that an offset column can hold. */
const everything: Span = { start: -(2n ** 63n), end: 2n ** 63n }

/** A stretch of a source partition that one pipeline covered, or may have covered by commits that the log has no more. */
type Covered = Pick<Region, 'sourcePartition' | 'span'>

function coveredBy({ from, chains }: LogAudit): Covered[] {
  return chains.flatMap(({ sourcePartition, covered, from: first }) => {
    const older = from === 0n ? [] : [{ start: everything.start, end: first }]
    return within([...covered, ...older]).map((span) => ({ sourcePartition, span }))
  })
}

/** Every source partition that has a chain, cut up from end to end. */
function regionsOf(log: LogAudit): Region[] {
  const names = [...new Set(log.chains.map(({ sourcePartition }) => sourcePartition))]
  return names.flatMap((sourcePartition) => {
    const chains = chainsOf(log, sourcePartition)
    const inside = within(chains.flatMap(({ covered }) => covered))
    const before = log.from === 0n ? [] : within(chains.map(({ from }) => ({ start: everything.start, end: from })))
    const older = before.flatMap((span) => subtractSpans(span, inside))
    const outside = subtractSpans(everything, mergeSpans([...inside, ...older]))
    const all = { inside, older, outside }
    return (['inside', 'older', 'outside'] as const).flatMap((kind) =>
      all[kind].map((span) => ({ kind, sourcePartition, span })),
    )
  })
}

function within(spans: readonly Span[]): readonly Span[] {
  return mergeSpans(
    spans.map(({ start, end }) => ({
      start: start < everything.start ? everything.start : start,
      end: end > everything.end ? everything.end : end,
    })),
  )
}

// ---------------------------------------------------------------------------------------------- statements

function positionsQuery({ log, query }: RowAuditOptions, letters: boolean): string {
  const [topic, partition, offset] = positionColumns.map(({ name }) => identifier(name)) as [string, string, string]
  const [pipeline, step] = letters ? letterColumns.map(identifier) : ['NULL::VARCHAR', 'NULL::VARCHAR']
  const passed = letters ? pipelinesOfTables(log).map((name) => literal(name)) : []
  const judged = passed.length === 0 ? 'true' : `coalesce(${pipeline} NOT IN (${passed.join(', ')}), true)`
  return `SELECT ${pipeline} AS pipeline, ${step} AS step, ${topic} || '/' || ${partition} AS source_partition,
      ${offset} AS place
    FROM (${query}) AS t
    WHERE ${topic} IS NOT NULL AND ${partition} IS NOT NULL AND ${offset} IS NOT NULL AND ${judged}`
}

function countQuery(rows: string, regions: readonly Region[]): string {
  const values = regions.map(
    ({ kind, sourcePartition, span }) =>
      `(${literal(kind)}, ${literal(sourcePartition)}, ${literal(span.start)}::HUGEINT, ${literal(span.end)}::HUGEINT)`,
  )
  return `SELECT pipeline, r.source_partition, kind, min(place) AS first, max(place) AS last, count(*) AS rows
    FROM (${rows}) AS r LEFT JOIN (VALUES ${values.join(', ')}) AS g (kind, source_partition, low, high)
      ON r.source_partition = g.source_partition AND place >= low AND place < high
    GROUP BY pipeline, r.source_partition, kind, low ORDER BY ALL`
}

/** @param covered stretches that may each have brought a position once */
function twiceQuery(rows: string, covered: readonly Covered[]): string {
  const values = covered.map(
    ({ sourcePartition, span }) =>
      `(${literal(sourcePartition)}, ${literal(span.start)}::HUGEINT, ${literal(span.end)}::HUGEINT)`,
  )
  const pipelines = `SELECT count(*) FROM (VALUES ${values.join(', ')}) AS c (source_partition, low, high)
    WHERE c.source_partition = r.source_partition AND r.place >= low AND r.place < high`
  const allowed = values.length === 0 ? '1' : `greatest(1, (${pipelines}))`
  return `SELECT pipeline, source_partition, min(place) AS first, max(place) AS last, count(*) AS places
    FROM (SELECT pipeline, source_partition, place, count(*) AS times FROM (${rows}) AS t
          GROUP BY pipeline, step, source_partition, place HAVING count(*) > 1) AS r
    WHERE times > ${allowed}
    GROUP BY pipeline, source_partition ORDER BY ALL`
}

// ---------------------------------------------------------------------------------------------- findings

type Counted = Readonly<Record<string, unknown>>

function outside(log: LogAudit, row: Counted): Finding {
  return rowFinding('row-outside', log, row, `${row.rows} ${row.rows === 1n ? 'row' : 'rows'} that no range covers`)
}

function twiceFinding(log: LogAudit, row: Counted): Finding {
  const places = row.places === 1n ? '1 position is' : `${row.places} positions are`
  return rowFinding('row-twice', log, row, `${places} there more than once`)
}

function rowFinding(kind: FindingKind, log: LogAudit, row: Counted, message: string): Finding {
  const sourcePartition = String(row.source_partition)
  const chains = chainsOf(log, sourcePartition)
  const pipeline = typeof row.pipeline === 'string' ? row.pipeline : chains.length === 1 ? chains[0]!.pipeline : null
  const span = { start: row.first as bigint, end: (row.last as bigint) + 1n }
  return { kind, pipeline, sourcePartition, versions: [log.to], span, message }
}
