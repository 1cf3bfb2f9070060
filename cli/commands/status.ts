/** `millrace status`: positions and lag of the platform's pipelines, and what tables and stores hold. */

import { listTables } from '../../connectors/delta/list-tables.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { CommandContext } from '../context.ts'
import { openTable } from '../lake-tables.ts'
import { type OutputRow, printRows, toJson } from '../output.ts'
import { type PipelineStatus, pipelineStatus } from '../pipeline-status.ts'
import { platformPipelines } from '../pipelines.ts'
import type { Place } from '../place.ts'
import { reading } from '../reading.ts'
import { stores } from '../store-status.ts'
import { storeWrites } from '../store-writes.ts'
import { deadLetterCounts, deadLettersFolder, tableStatus } from '../table-status.ts'

interface Section {
  readonly title: string
  readonly rows: readonly OutputRow[]
  readonly empty: string
}

/** Something that could not be asked, and why. */
interface Problem {
  readonly of: string
  readonly code: string
  readonly message: string
}

/** Prints the status. What cannot be asked is named with the reason; 1 if the reason is more than a store in use. */
export async function status({ config, json }: CommandContext): Promise<number> {
  return reading(config, async (place) => {
    const problems: Problem[] = []
    const found = await pipelines(place, problems)
    const sections: Section[] = [
      { title: 'pipelines', rows: found.map((each) => pipelineRow(each, json)), empty: 'none' },
      ...(await tableSections(place, problems)),
      { title: 'store writes', rows: writeRows(found, json), empty: 'none' },
      { title: 'stores', rows: await storeRows(place, problems), empty: 'empty (run a pipeline that fills one)' },
    ]
    for (const section of sections) printSection(section, json)
    printProblems(problems, json)
    return problems.every(isPassing) ? 0 : 1
  })
}

/** A store that is in use, or has no engine on this machine, is a fact and no fault. */
function isPassing({ code }: Problem): boolean {
  return code === 'STORE_BUSY' || code === 'CONFIG_INVALID'
}

function printSection({ title, rows, empty }: Section, json: boolean): void {
  if (json) for (const row of rows) console.log(toJson({ section: title, ...row }))
  else {
    console.log(title)
    printRows(rows, { json, empty })
    console.log('')
  }
}

function printProblems(problems: readonly Problem[], json: boolean): void {
  for (const problem of problems)
    console.log(json ? toJson({ section: 'problems', ...problem }) : `${problem.of}: ${problem.message}`)
}

/** What `work` gives, or null with the reason noted. */
async function orProblem<T>(problems: Problem[], of: string, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    problems.push({ of, code: error.code, message: error.message })
    return null
  }
}

/** One word for what the latest problem is about. */
function stateOf(problems: readonly Problem[]): string {
  return problems.at(-1)?.code === 'STORE_BUSY' ? 'busy' : 'unknown'
}

/** A pipeline's status, or the word for why it cannot be told. */
type Found = { readonly pipeline: string; readonly status: PipelineStatus | string }

async function pipelines(place: Place, problems: Problem[]): Promise<Found[]> {
  const found: Found[] = []
  for (const pipeline of await platformPipelines()) {
    const status = await orProblem(problems, pipeline.name, () => pipelineStatus(pipeline, place))
    found.push({ pipeline: pipeline.name, status: status ?? stateOf(problems) })
  }
  return found
}

function pipelineRow({ pipeline, status }: Found, json: boolean): OutputRow {
  if (typeof status !== 'string') return json ? fullRow(status) : shortRow(status)
  return json ? { pipeline, state: status } : { pipeline, 'next to read': status }
}

/** Since each store began. */
function writeRows(found: readonly Found[], json: boolean): OutputRow[] {
  return found.flatMap(({ pipeline, status }) => {
    if (typeof status === 'string' || status.totals === null) return []
    return [{ pipeline, ...storeWrites(status.totals), ...(json ? { counts: status.totals } : {}) }]
  })
}

function fullRow({ pipeline, sources, lagRecords, lastCommit }: PipelineStatus): OutputRow {
  return {
    pipeline,
    position: Object.fromEntries(sources.flatMap(({ position }) => [...position])),
    lagRecords,
    version: lastCommit?.version ?? null,
    lastCommit: isoTime(lastCommit?.timestampMs ?? null),
  }
}

function shortRow({ pipeline, sources, lagRecords, lastCommit }: PipelineStatus): OutputRow {
  const next = sources.map((source) => nextToRead(source, sources.length > 1)).filter((text) => text !== '')
  return {
    pipeline,
    'next to read': next.join(' '),
    lag: lagRecords,
    version: lastCommit?.version ?? null,
    'last commit': isoTime(lastCommit?.timestampMs ?? null),
  }
}

/** `0:12 1:7` for a topic, `version 4` for a table. */
function nextToRead({ reads, position }: PipelineStatus['sources'][number], withName: boolean): string {
  const topic = reads.startsWith('topic:') ? `${reads.slice('topic:'.length)}/` : null
  const parts = [...position].map(([partition, next]) =>
    topic !== null && partition.startsWith(topic) ? `${partition.slice(topic.length)}:${next}` : `version ${next}`,
  )
  const text = parts.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).join(' ')
  return withName && text !== '' ? `${reads} ${text}` : text
}

async function tableSections(place: Place, problems: Problem[]): Promise<Section[]> {
  const tables: OutputRow[] = []
  const deadLetters: OutputRow[] = []
  for (const path of await listTables(place.lake))
    await orProblem(problems, path, async () => {
      const found = await openTable(place, path)
      const { lastCommitMs, ...rest } = await tableStatus(place, found)
      tables.push({ ...rest, lastCommit: isoTime(lastCommitMs) })
      const counts = path.startsWith(deadLettersFolder) ? await deadLetterCounts(place, found) : []
      deadLetters.push(...counts.map((count) => ({ table: path, ...count })))
    })
  return [
    { title: 'tables', rows: tables, empty: 'none (run a pipeline first)' },
    { title: 'dead letters', rows: deadLetters, empty: 'none' },
  ]
}

async function storeRows(place: Place, problems: Problem[]): Promise<OutputRow[]> {
  const rows: OutputRow[] = []
  for (const { store, count } of stores) {
    const found = await orProblem(problems, `store ${store}`, () => count(place))
    rows.push(...(found ?? [{ name: stateOf(problems), what: null, count: null }]).map((each) => ({ store, ...each })))
  }
  return rows
}

function isoTime(timestampMs: number | null): string | null {
  return timestampMs === null ? null : new Date(timestampMs).toISOString()
}
