/** Checks pipelines against each other and against the tables that there are, without reading a row. */
import { changeColumns } from '../connectors/delta/change-feed.ts'
import { columnNameProblems } from '../connectors/delta/column-names.ts'
import type { DeltaSinkOptions } from '../connectors/delta/description.ts'
import { listTables } from '../connectors/delta/list-tables.ts'
import { evolveSchema } from '../connectors/delta/schema.ts'
import type { SinkDescription } from '../engine/contracts.ts'
import { messageOf } from '../engine/errors.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { inOrderOfTables } from '../engine/schedule.ts'
import type { Column } from '../engine/schema.ts'
import { type ColumnFlow, followColumns } from './column-flow.ts'
import { platformPipelines } from './pipelines.ts'
import type { Place } from './place.ts'
import { missingColumns } from './sink-columns.ts'
import { tableProblems } from './sink-tables.ts'
import { embeddedOlapIsNoSource } from './wire.ts'
import { inputProblems, isServed, targetProblems } from './wiring-problems.ts'

/** A pipeline with what its steps give and what is wrong with it; right if there are no problems. */
export interface CheckedPipeline extends ColumnFlow {
  readonly pipeline: Pipeline
}

interface Checking {
  readonly place: Place
  /** Columns by table path, as they are once the pipelines checked so far have written it; null if there is no table. */
  readonly tables: Map<string, readonly Column[] | null>
  /** The pipelines that are checked, and those that write what they read. */
  readonly pipelines: readonly Pipeline[]
  /** Tables that are there. */
  readonly existing: readonly string[]
}

/**
 * Checks the named pipelines, in the order of their tables: steps fit the columns that they read, sinks get the columns
 * that they name, tables can be made as they are asked for and keep their types. A table's columns are what is there and what the pipelines add to it; of
 * tables that only the platform writes, what the platform's pipelines would write.
 */
export async function checkPipelines(named: readonly Pipeline[], place: Place): Promise<CheckedPipeline[]> {
  const pipelines = inOrderOfTables([...named, ...upstreamOf(named, await platformPipelines())])
  const checking: Checking = { place, tables: new Map(), pipelines, existing: await listTables(place.lake) }
  const checked: CheckedPipeline[] = []
  for (const pipeline of pipelines) {
    const result = await checkPipeline(pipeline, checking)
    if (named.includes(pipeline)) checked.push(result)
  }
  return checked
}

/** Pipelines of `all` that write, directly or over others, what the given ones read. */
function upstreamOf(given: readonly Pipeline[], all: readonly Pipeline[]): Pipeline[] {
  const names = new Set(given.map(({ name }) => name))
  const found: Pipeline[] = []
  const readers = [...given]
  for (let reader = readers.shift(); reader !== undefined; reader = readers.shift()) {
    const reads = Object.values(reader.sources).map((source) => source.reads)
    for (const writer of all)
      if (!names.has(writer.name) && writer.sinks.some((sink) => reads.includes(sink.writes))) {
        names.add(writer.name)
        found.push(writer)
        readers.push(writer)
      }
  }
  return found
}

async function checkPipeline(pipeline: Pipeline, checking: Checking): Promise<CheckedPipeline> {
  const refused = [...inputProblems(pipeline, checking), ...targetProblems(pipeline, checking)]
  const flow = isServed(pipeline) ? await checkFlow(pipeline, checking) : { columns: new Map(), problems: [] }
  return { pipeline, columns: flow.columns, problems: [...refused, ...flow.problems] }
}

async function checkFlow(pipeline: Pipeline, checking: Checking): Promise<ColumnFlow> {
  const duckdb = await checking.place.duckdb()
  const { columns, problems } = await followColumns(pipeline, duckdb, async ({ kind, options }) => {
    if (kind === 'olap') return olapColumns(checking.place, String(options.table))
    const table = await columnsOfTable(String(options.table), checking)
    return table === null ? null : options.changeFeed === true ? [...table, ...changeColumns] : table
  })
  const ofSinks: string[] = []
  for (const sink of pipeline.sinks) {
    ofSinks.push(...missingColumns(sink, columns))
    if (sink.kind !== 'delta') continue
    const grown = await growTable(sink, columns, checking)
    const table = await columnsOfTable(String(sink.options.table), checking)
    ofSinks.push(...tableProblems(sink, columns, table), ...grown)
  }
  return { columns, problems: [...problems, ...ofSinks] }
}

async function olapColumns(place: Place, table: string): Promise<readonly Column[] | null> {
  if (place.clickhouse === null) throw embeddedOlapIsNoSource(table)
  const { sourceColumns } = await import('../connectors/clickhouse/source.ts')
  return sourceColumns(await place.clickhouseClient(), table)
}

async function columnsOfTable(path: string, { place, tables }: Checking): Promise<readonly Column[] | null> {
  if (!tables.has(path)) tables.set(path, (await place.table(path).snapshot())?.columns ?? null)
  return tables.get(path) ?? null
}

async function growTable(sink: SinkDescription, known: ColumnFlow['columns'], checking: Checking): Promise<string[]> {
  const { table, columns: declared, changeFeed } = sink.options as unknown as DeltaSinkOptions
  const given = known.get(sink.inputs.rows ?? '') ?? declared
  if (given === undefined) return []
  const before = await columnsOfTable(table, checking)
  try {
    const grown = evolveSchema(before ?? [], given)
    if (grown.kind !== 'evolved') return []
    checking.tables.set(table, grown.columns)
    const feed = { changeFeed: changeFeed ?? false }
    return columnNameProblems(grown.columns, feed).map((problem) => `sink ${sink.writes}: ${problem}`)
  } catch (error) {
    return [`sink ${sink.writes}: ${messageOf(error)}`]
  }
}
