/** Pipelines in a test: the real engine on the embedded log and real Delta tables, in a folder that goes with the test. */
import { requireTable } from '../../cli/lake-tables.ts'
import { toJson } from '../../cli/output.ts'
import { firstRows } from '../../cli/table-rows.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import { inOrderOfTables } from '../../engine/schedule.ts'
import type { ScriptItem } from './script.ts'
import { settableClock } from './settable-clock.ts'
import { openTestProcess } from './test-process.ts'
import { openTestSources, type TestInputs } from './test-sources.ts'
import { recordsIn } from './topic-output.ts'

/**
 * A row as `millrace tables show --json` prints it: whole numbers as numbers where they are exact, else as text; days, times and
 * decimals as text; bytes as text where they are UTF-8, else `{ base64 }`.
 */
export type TestRow = Readonly<Record<string, unknown>>

/** How a test is set up. */
export interface TestOptions {
  /** The clock's first time, milliseconds since 1970. Default: 2026-01-01T00:00:00Z. */
  readonly startMs?: number
}

/** Pipelines, their sources and their tables. Close it: its folder goes then. */
export interface PipelineTest extends AsyncDisposable {
  /**
   * Brings what the sources have up to their next `endOfInput()`, and runs the pipelines over it, each after those that write what it reads.
   * At a `crash()` they are stopped at its point and started again, as often as the lists have one. A source whose list has ended brings nothing.
   * @throws what the first pipeline failed with; `CONFIG_INVALID` for a crash at a point that none of them comes past
   */
  run(): Promise<void>
  /** Adds to the end of a source's list; the next `run` brings it. */
  send(name: string, ...items: readonly ScriptItem[]): void
  /** The rows of a table in the order of its columns. `TABLE_NOT_FOUND` naming the tables that there are. */
  rows(table: string): Promise<readonly TestRow[]>
  /** The records of a topic, partition by partition in the order of their offsets: as rows with the columns of a source. */
  records(topic: string): Promise<readonly TestRow[]>
  /** The dead letters of all pipelines, table by table. */
  deadLetters(): Promise<readonly TestRow[]>
  /** Sets the clock forward: milliseconds, or a time such as `90s`, `15m`, `2h`, `7d`. */
  advance(by: string | number): void
  /** What the clock shows. */
  now(): Date
  close(): Promise<void>
}

const defaultStartMs = Date.UTC(2026, 0, 1)
const mostRows = 1_000_000

/**
 * Pipelines, exactly as they are defined, with sources that a script feeds: topics in the embedded log, tables as Delta tables. Nothing else has to
 * run, no network is used. Triggers are replaced: `run` ends when all is read. A failing batch is not retried.
 *
 * ```ts
 * await using pipeline = await testPipeline(ratings, { 'tmdb.movies': [{ id: 1, timestamp: '2026-01-01T00:00:00Z' }, 'no JSON'] })
 * await pipeline.run()
 * expect(await pipeline.rows('bronze/ratings')).toMatchObject([{ id: 1 }])
 * ```
 *
 * Crashes are of the whole process: tests with them must not run beside others in one process.
 * @throws MillraceError `CONFIG_INVALID` for an input that no pipeline reads
 */
export async function testPipeline(
  pipelines: Pipeline | readonly Pipeline[],
  inputs: TestInputs,
  options: TestOptions = {},
): Promise<PipelineTest> {
  const given = inOrderOfTables([pipelines].flat())
  const sources = openTestSources(given, inputs)
  const clock = settableClock(options.startMs ?? defaultStartMs)
  const process = await openTestProcess(given, clock)
  try {
    await sources.makeTopics(process.workspace())
  } catch (error) {
    await process.close()
    throw error
  }

  async function rows(name: string): Promise<readonly TestRow[]> {
    const place = process.workspace()
    const table = place.table(name)
    const snapshot = (await table.snapshot()) ?? (await requireTable(place, name)).snapshot
    if ((await snapshot.files()).size === 0) return []
    return shown(await firstRows(place, { table, snapshot }, { columns: snapshot.columns, limit: mostRows }))
  }

  return {
    async run() {
      let names = sources.names()
      for (;;) {
        const { at, crashed } = await sources.feed(process.workspace(), names)
        if (at === null) break
        await process.runIntoCrash(at)
        names = crashed
      }
      await process.run()
    },
    send: (name, ...items) => sources.add(name, items),
    rows,
    records: async (topic) => shown(await recordsIn(process.workspace().logDir, topic, clock)),
    async deadLetters() {
      const letters: TestRow[] = []
      for (const table of deadLetterTables(given))
        if ((await process.workspace().table(table).snapshot()) !== null) letters.push(...(await rows(table)))
      return letters
    },
    advance: clock.advance,
    now: () => new Date(clock.nowMs()),
    close: process.close,
    [Symbol.asyncDispose]: process.close,
  }
}

/** As `tables show --json` prints them. */
function shown(rows: readonly Readonly<Record<string, unknown>>[]): TestRow[] {
  return rows.map((row) => JSON.parse(toJson(row)) as TestRow)
}

function deadLetterTables(pipelines: readonly Pipeline[]): ReadonlySet<string> {
  const sinks = pipelines.flatMap(({ sinks, deadLetters }) => sinks.slice(deadLetters, deadLetters + 1))
  return new Set(sinks.filter(({ kind }) => kind === 'delta').map(({ options }) => String(options.table)))
}
