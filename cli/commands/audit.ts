/** `millrace audit`: whether what a table's commits covered tiles, proven from its log, and with `--rows` from its files. */
import { type LogAudit, openAudit } from '../../connectors/delta/audit.ts'
import type { Chain } from '../../connectors/delta/audit-chain.ts'
import type { Finding } from '../../connectors/delta/audit-finding.ts'
import { auditRows, type RowAudit, whyNoRowAudit } from '../../connectors/delta/audit-rows.ts'
import { selectTable } from '../../connectors/delta/read.ts'
import { remainingEntries } from '../../connectors/delta/remaining-entries.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { type FoundTable, requireTable } from '../lake-tables.ts'
import { type OutputRow, printRows, toJson } from '../output.ts'
import type { Place } from '../place.ts'
import { reading } from '../reading.ts'

/** What is printed. */
interface Report {
  readonly table: string
  readonly log: LogAudit
  /** Those of the pipeline asked for. */
  readonly chains: readonly Chain[]
  readonly findings: readonly Finding[]
  readonly rowsOf: (chain: Chain) => bigint | null
}

/**
 * Prints the ranges of every pipeline and source partition, and everything that is wrong with them; 1 if anything is.
 * Rows are those that the commits added or changed, as far as the log tells them apart: a commit counts its rows as a
 * whole, so where it covered several source partitions, whose they are is known only with `--rows`, which counts the
 * rows that are in the files now.
 */
export async function audit({ config, arguments: [name = ''], options, json }: CommandContext): Promise<number> {
  return reading(config, async (place) => {
    const found = await requireTable(place, name)
    const log = await auditLog(place, found)
    const pipeline = choosePipeline(log, options.pipeline, found.table.path)
    const rows = options.rows === true ? await auditFiles(place, found, log) : null
    const report = reportOf({ table: found.table.path, log, rows, pipeline })
    if (json) printJson(report)
    else
      printReport(report, { hint: rows === null && whyNoRowAudit({ log, columns: found.snapshot.columns }) === null })
    return report.findings.length === 0 ? 0 : 1
  })
}

async function auditLog(place: Place, { table, snapshot }: FoundTable): Promise<LogAudit> {
  const log = openAudit()
  for await (const entry of remainingEntries({ store: place.lake, table, end: snapshot.version + 1n })) log.add(entry)
  return log.finish(snapshot)
}

/** Null: all of them. */
function choosePipeline({ pipelines }: LogAudit, name: unknown, table: string): string | null {
  if (typeof name !== 'string' || pipelines.size === 0) return null
  if (pipelines.has(name)) return name
  const known = [...pipelines.keys()].sort().join(', ')
  throw usageError([`--pipeline: the log of ${table} has no commit of ${JSON.stringify(name)} (it has of: ${known})`])
}

async function auditFiles(place: Place, { table, snapshot }: FoundTable, log: LogAudit): Promise<RowAudit | null> {
  if (log.pipelines.size === 0) return null
  const why = whyNoRowAudit({ log, columns: snapshot.columns })
  if (why !== null) throw usageError([`--rows: the rows of ${table.path} cannot be held against its ranges: ${why}`])
  const query = await selectTable({ snapshot, store: place.lake, tablePath: table.path, duckdb: place.duckdb })
  const duckdb = await place.duckdb()
  return duckdb.withConnection((connection) => auditRows({ log, columns: snapshot.columns, query, connection }))
}

interface Parts {
  readonly table: string
  readonly log: LogAudit
  readonly rows: RowAudit | null
  readonly pipeline: string | null
}

function reportOf({ table, log, rows, pipeline }: Parts): Report {
  const chains = log.chains.filter((chain) => pipeline === null || chain.pipeline === pipeline)
  // what is of no single pipeline concerns them all
  const concerns = (found: Finding): boolean =>
    pipeline === null || found.pipeline === null || found.pipeline === pipeline
  return {
    table,
    log,
    chains,
    findings: [...log.findings, ...(rows?.findings ?? [])].filter(concerns),
    rowsOf: (chain) => rows?.rowsOf(chain) ?? chain.rows,
  }
}

function findingsOf({ findings }: Report, { pipeline, sourcePartition }: Chain): number {
  return findings.filter(
    (found) => found.sourcePartition === sourcePartition && (found.pipeline ?? pipeline) === pipeline,
  ).length
}

// ---------------------------------------------------------------------------------------------- printing

function printJson(report: Report): void {
  const { from: fromVersion, to: toVersion } = report.log
  for (const chain of report.chains) {
    const { pipeline, sourcePartition, from, to, ranges, commitRows } = chain
    const counts = { ranges, rows: report.rowsOf(chain), commitRows, findings: findingsOf(report, chain) }
    const line = { pipeline, sourcePartition, from: ranges === 0 ? null : from, to, ...counts }
    console.log(toJson({ type: 'partition', ...line, fromVersion, toVersion }))
  }
  for (const { span, ...found } of report.findings) console.log(toJson({ type: 'finding', ...found, ...span }))
}

function printReport(report: Report, { hint }: { readonly hint: boolean }): void {
  const { table, log, chains, findings } = report
  const versions = `from version ${log.from}${log.from === 0n ? '' : ' (older log entries are gone)'} to ${log.to}`
  printRows(
    chains.map((chain) => partitionRow(report, chain)),
    {
      json: false,
      empty: `table ${table} has no commit of a pipeline ${versions}`,
    },
  )
  for (const line of rowNotes(report, hint)) console.log(line)
  for (const found of findings) console.log(findingLine(found))
  if (chains.length > 0)
    console.log(`${table} ${versions}: ${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`)
}

function partitionRow(report: Report, chain: Chain): OutputRow {
  return {
    pipeline: chain.pipeline,
    'source partition': chain.sourcePartition,
    from: chain.ranges === 0 ? null : chain.from,
    to: chain.to,
    ranges: chain.ranges,
    rows: report.rowsOf(chain),
    findings: findingsOf(report, chain),
  }
}

/** Where the log does not say whose rows are whose: what it does say. */
function rowNotes({ log, chains, rowsOf }: Report, hint: boolean): string[] {
  const unclear = new Set(chains.filter((chain) => rowsOf(chain) === null).map(({ pipeline }) => pipeline))
  return [...unclear].map((pipeline) => {
    const { commits, rows } = log.pipelines.get(pipeline)!
    if (rows === null) return `${pipeline}: not every commit counts its rows`
    const how = hint ? ' (--rows counts them by offset)' : ''
    return `${pipeline}: ${rows} rows in ${commits} ${commits === 1 ? 'commit' : 'commits'}, counted over all source partitions together${how}`
  })
}

function findingLine({ kind, pipeline, sourcePartition, versions, span, message }: Finding): string {
  const where = [pipeline, sourcePartition].filter((name) => name !== null).join(' ')
  const at =
    versions.length === 1 || versions[0] === versions[1]
      ? `version ${versions.at(-1)}`
      : `versions ${versions.join(', ')}`
  return `${kind}: ${where}${where === '' ? '' : ' '}[${span.start}, ${span.end}) ${at}: ${message}`
}
