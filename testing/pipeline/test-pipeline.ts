/** Pipelines in a test: the real engine on the embedded log and real Delta tables, in a folder that goes with the test. */
import { requireTable } from '../../cli/lake-tables.ts'
import { toJson } from '../../cli/output.ts'
import { firstRows } from '../../cli/table-rows.ts'
import { openWorkspace, type Workspace } from '../../cli/workspace.ts'
import { systemIds } from '../../engine/clock.ts'
import { MillraceError } from '../../engine/errors.ts'
import { armFault, type FaultPoint } from '../../engine/fault-points.ts'
import { shareMemory } from '../../engine/memory.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import { runAll } from '../../engine/run-all.ts'
import { inOrderOfTables } from '../../engine/schedule.ts'
import type { Column } from '../../engine/schema.ts'
import { availableNow } from '../../engine/trigger.ts'
import { inputsOf, unreadInput } from './inputs.ts'
import { columnsOfRows, type InputRow } from './row-types.ts'
import { type InputValue, openScript, RecordItem, type Script, type ScriptItem, TableItems } from './script.ts'
import { settableClock } from './settable-clock.ts'
import { appendRows } from './table-input.ts'
import { makeTestFolder, sharedDuckdb } from './test-folder.ts'
import { appendRecords, makeTopics } from './topic-input.ts'
import { recordsIn } from './topic-output.ts'

/** What the sources of pipelines bring, by topic or table: a list, or for tables also {@link table}. A name of both is the topic. */
export type TestInputs = Readonly<Record<string, readonly ScriptItem[] | TableItems>>

/**
 * A row as `millrace tables show --json` prints it: whole numbers as numbers where they are exact, else as text; days, times and
 * decimals as text; bytes as text where they are UTF-8, else `{ base64 }`.
 */
export type TestRow = Readonly<Record<string, unknown>>

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
const memoryLimitBytes = 512 * 2 ** 20
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
  const given = inOrderOfTables(Array.isArray(pipelines) ? pipelines : [pipelines as Pipeline])
  const known = inputsOf(given)
  const clock = settableClock(options.startMs ?? defaultStartMs)
  const scripts = new Map<string, Script>()
  const typed = new Map<string, readonly Column[]>()
  for (const [name, items] of Object.entries(inputs)) {
    if (!known.isTopic(name) && known.tableOf(name) === null) throw unreadInput(name, given)
    if (items instanceof TableItems)
      typed.set(
        name,
        Object.entries(items.columns).map(([column, type]) => ({ name: column, type })),
      )
    scripts.set(name, openScript(items instanceof TableItems ? items.items : (items as readonly ScriptItem[])))
  }
  const folder = makeTestFolder()
  const { duckdbBytes } = shareMemory(memoryLimitBytes)
  const open = (): Promise<Workspace> =>
    openWorkspace({
      dataDir: folder.path,
      workers: 0,
      memoryLimitBytes,
      clock,
      retryForMs: 0,
      duckdb: () => sharedDuckdb(duckdbBytes),
    })
  let workspace = await open()

  const topics = new Set([...known.topics, ...[...scripts.keys()].filter(known.isTopic)])
  const partitionsOf = (topic: string): number => partitionCount(inputs[topic])
  await makeTopics(place(), new Map([...topics].map((topic) => [topic, partitionsOf(topic)])))

  function place() {
    return { logDir: workspace.logDir, clock, ids: systemIds }
  }

  async function bring(name: string, items: readonly (InputValue | RecordItem)[]): Promise<void> {
    if (known.isTopic(name)) return appendRecords(place(), name, items)
    const rows = items as readonly InputRow[]
    if (rows.length === 0 && !typed.has(name)) return
    const there = (await workspace.table(name).snapshot())?.columns ?? []
    const columns = typed.get(name) ?? columnsOfRows(name, rows, there)
    await appendRows(workspace, { path: name, columns, rows, changeFeed: known.tableOf(name)!.changeFeed })
  }

  /** Brings what the scripts named have, up to their next events; those that came to a crash, and its point. */
  async function feed(names: readonly string[]): Promise<{ at: FaultPoint | null; stopped: readonly string[] }> {
    let at: FaultPoint | null = null
    const stopped: string[] = []
    for (const name of names) {
      const { items, event } = scripts.get(name)!.next()
      await bring(name, items)
      if (event?.kind !== 'crash') continue
      at ??= event.at
      stopped.push(name)
    }
    return { at, stopped }
  }

  /** Runs to the end of what is there, or to the first failure. */
  async function runOnce(): Promise<void> {
    const never = new AbortController().signal
    for (const pipeline of given) {
      const bounded = { ...pipeline, trigger: availableNow() }
      const [failed] = await runAll([bounded], workspace.runtime, { stop: never, abandon: never }, () => {})
      if (failed !== undefined) throw failed.error
    }
  }

  async function runIntoCrash(at: FaultPoint): Promise<void> {
    armFault({ point: at, passage: 1, action: 'crash' })
    try {
      await runOnce()
    } catch (error) {
      if (!(error instanceof MillraceError && error.code === 'FAULT_INJECTED')) throw error
      await workspace.close()
      workspace = await open()
      return
    } finally {
      armFault(null)
    }
    throw new MillraceError(
      'CONFIG_INVALID',
      `crash('${at}'): no pipeline came past that point (give records before it, or crash at another point)`,
    )
  }

  async function rows(name: string): Promise<readonly TestRow[]> {
    const table = workspace.table(name)
    const snapshot = (await table.snapshot()) ?? (await requireTable(workspace, name)).snapshot
    if ((await snapshot.files()).size === 0) return []
    const { columns } = snapshot
    return shown(await firstRows(workspace, { table, snapshot }, { columns, limit: mostRows }))
  }

  async function close(): Promise<void> {
    await workspace.close()
    folder.remove()
  }

  return {
    async run() {
      let names: readonly string[] = [...scripts.keys()]
      for (;;) {
        const { at, stopped } = await feed(names)
        if (at === null) break
        await runIntoCrash(at)
        names = stopped
      }
      await runOnce()
    },
    send(name, ...items) {
      if (!known.isTopic(name) && known.tableOf(name) === null) throw unreadInput(name, given)
      const script = scripts.get(name)
      if (script === undefined) scripts.set(name, openScript(items))
      else script.add(items)
    },
    rows,
    records: async (topic) => shown(await recordsIn(workspace.logDir, topic, clock)),
    async deadLetters() {
      const letters: TestRow[] = []
      for (const table of deadLetterTables(given))
        if ((await workspace.table(table).snapshot()) !== null) letters.push(...(await rows(table)))
      return letters
    },
    advance: clock.advance,
    now: () => new Date(clock.nowMs()),
    close,
    [Symbol.asyncDispose]: close,
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

/** One more than the highest partition that a record names. */
function partitionCount(items: TestInputs[string] | undefined): number {
  const records = Array.isArray(items) ? items.filter((item) => item instanceof RecordItem) : []
  return Math.max(1, ...records.map(({ record }) => (record.partition ?? 0) + 1))
}
