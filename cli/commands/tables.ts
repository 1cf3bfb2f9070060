/** `millrace tables history` and `tables show`. */
import { type HistoryEntry, tableHistory } from '../../connectors/delta/history.ts'
import { closestFirst } from '../../engine/closest.ts'
import type { Column } from '../../engine/schema.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { requireTable } from '../lake-tables.ts'
import { type OutputRow, printRows } from '../output.ts'
import { reading } from '../reading.ts'
import { firstRows } from '../table-rows.ts'

const defaultLimit = 20

/** Prints the versions of a table, newest first. */
export async function history({ config, arguments: [name = ''], options, json }: CommandContext): Promise<number> {
  return reading(config, async (place) => {
    const { table } = await requireTable(place, name)
    const rows: OutputRow[] = []
    for await (const entry of tableHistory(table, numberOption(options.limit) ?? defaultLimit))
      rows.push(json ? fullEntry(entry) : shortEntry(entry))
    printRows(rows, { json, empty: `table ${table.path} has no versions that its log still tells of` })
    return 0
  })
}

function fullEntry(entry: HistoryEntry): OutputRow {
  const { timestampMs, batch, ...rest } = entry
  return { ...rest, time: isoTime(timestampMs), pipeline: batch?.pipeline ?? null, ranges: batch?.ranges ?? null }
}

function shortEntry({ version, timestampMs, operation, metrics, batch }: HistoryEntry): OutputRow {
  const ranges = Object.values(batch?.ranges ?? {}).map(([start, end]) => `[${start}, ${end})`)
  return {
    version,
    time: isoTime(timestampMs),
    operation,
    changed: changesOf(metrics),
    pipeline: batch?.pipeline ?? null,
    read: ranges.join(' '),
  }
}

/** Rows that a version added or changed, as far as its writer counted them. */
function changesOf(metrics: HistoryEntry['metrics']): string {
  const counts = [
    ['added', metrics.numOutputRows],
    ['inserted', metrics.numTargetRowsInserted],
    ['updated', metrics.numTargetRowsUpdated],
    ['deleted', metrics.numTargetRowsDeleted],
  ] as const
  return counts
    .flatMap(([what, count]) => (count === undefined || count === '0' ? [] : [`${count} ${what}`]))
    .join(', ')
}

function isoTime(timestampMs: number | null): string | null {
  return timestampMs === null ? null : new Date(timestampMs).toISOString()
}

/** Prints rows of a table, now or at a version. */
export async function show({ config, arguments: [name = ''], options, json }: CommandContext): Promise<number> {
  return reading(config, async (place) => {
    const version = numberOption(options.version)
    const found = await requireTable(place, name, version === undefined ? undefined : BigInt(version))
    const columns = chooseColumns(found.snapshot.columns, options.columns, found.table.path)
    const limit = numberOption(options.limit) ?? defaultLimit
    const rows = await firstRows(place, found, { columns, limit })
    printRows(rows, { json, empty: `table ${found.table.path} has no rows at version ${found.snapshot.version}` })
    return 0
  })
}

/** The named columns in the order named; all without a name. */
function chooseColumns(columns: readonly Column[], named: unknown, table: string): readonly Column[] {
  if (typeof named !== 'string') return columns
  const names = [...new Set(named.split(',').map((name) => name.trim()))]
  const chosen = names.map((name) => columns.find((column) => column.name === name))
  const unknown = names.filter((_, i) => chosen[i] === undefined)
  const known = columns.map((column) => column.name)
  if (unknown.length > 0)
    throw usageError(
      unknown.map(
        (name) =>
          `--columns: ${table} has no column ${JSON.stringify(name)} (there are: ${closestFirst(name, known).join(', ')})`,
      ),
    )
  return chosen.filter((column) => column !== undefined)
}

function numberOption(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
