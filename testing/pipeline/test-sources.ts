/** The sources of a pipeline's test: scripts, and where their records and rows go. */
import type { Workspace } from '../../cli/workspace.ts'
import { systemIds } from '../../engine/clock.ts'
import type { FaultPoint } from '../../engine/fault-points.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import type { Column } from '../../engine/schema.ts'
import { inputsOf, unreadInput } from './inputs.ts'
import { columnsOfRows, type InputRow } from './row-types.ts'
import { type InputValue, openScript, RecordItem, type Script, type ScriptItem, TableItems } from './script.ts'
import { appendRows } from './table-input.ts'
import { appendRecords, makeTopics, type TopicPlace } from './topic-input.ts'

/** What the sources of pipelines bring, by topic or table: a list, or for tables also {@link table}. A name of both is the topic. */
export type TestInputs = Readonly<Record<string, readonly ScriptItem[] | TableItems>>

/** Sources that a test feeds. */
export interface TestSources {
  /** Makes the topics that pipelines name, and those that are given. */
  makeTopics(workspace: Workspace): Promise<void>
  /** Adds to the end of a script. `CONFIG_INVALID` for a name that nobody reads. */
  add(name: string, items: readonly ScriptItem[]): void
  /** Names of the scripts. */
  names(): readonly string[]
  /** Brings what the scripts named have, up to their next events; those that came to a crash, and the point of the first. */
  feed(workspace: Workspace, names: readonly string[]): Promise<{ at: FaultPoint | null; crashed: readonly string[] }>
}

/** Scripts of the inputs of pipelines. `CONFIG_INVALID` for an input that nobody reads. */
export function openTestSources(pipelines: readonly Pipeline[], inputs: TestInputs): TestSources {
  const known = inputsOf(pipelines)
  const scripts = new Map<string, Script>()
  const typed = new Map<string, readonly Column[]>()

  function add(name: string, items: readonly ScriptItem[]): void {
    if (!known.isTopic(name) && known.tableOf(name) === null) throw unreadInput(name, pipelines)
    const script = scripts.get(name)
    if (script === undefined) scripts.set(name, openScript(items))
    else script.add(items)
  }
  for (const [name, given] of Object.entries(inputs)) {
    if (given instanceof TableItems) typed.set(name, columnsIn(given))
    add(name, given instanceof TableItems ? given.items : given)
  }

  async function bring(workspace: Workspace, name: string, items: readonly (InputValue | RecordItem)[]): Promise<void> {
    if (known.isTopic(name)) return appendRecords(logOf(workspace), name, items)
    const rows = items as readonly InputRow[]
    if (rows.length === 0 && !typed.has(name)) return
    const there = (await workspace.table(name).snapshot())?.columns ?? []
    const columns = typed.get(name) ?? columnsOfRows(name, rows, there)
    await appendRows(workspace, { path: name, columns, rows, changeFeed: known.tableOf(name)!.changeFeed })
  }

  return {
    add,
    names: () => [...scripts.keys()],
    makeTopics(workspace) {
      const topics = new Set([...known.topics, ...[...scripts.keys()].filter(known.isTopic)])
      return makeTopics(logOf(workspace), new Map([...topics].map((topic) => [topic, partitionCount(inputs[topic])])))
    },
    async feed(workspace, names) {
      let at: FaultPoint | null = null
      const crashed: string[] = []
      for (const name of names) {
        const { items, event } = scripts.get(name)!.next()
        await bring(workspace, name, items)
        if (event?.kind !== 'crash') continue
        at ??= event.at
        crashed.push(name)
      }
      return { at, crashed }
    },
  }
}

function logOf({ logDir, clock }: Workspace): TopicPlace {
  return { logDir, clock, ids: systemIds }
}

function columnsIn({ columns }: TableItems): readonly Column[] {
  return Object.entries(columns).map(([name, type]) => ({ name, type }))
}

/** One more than the highest partition that a record names. */
function partitionCount(items: TestInputs[string] | undefined): number {
  const records = Array.isArray(items) ? items.filter((item) => item instanceof RecordItem) : []
  return Math.max(1, ...records.map(({ record }) => (record.partition ?? 0) + 1))
}
