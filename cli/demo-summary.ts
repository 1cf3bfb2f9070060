/** What `npm start` shows at its end: what came in, what was refused, what did not have to be written, and two questions. */
import type { SimulationReport } from '../connectors/tmdb/simulator.ts'
import { type Kind, kinds, pipelineName, topicOf } from '../pipelines/entertainment/kinds.ts'
import { formatPath } from './commands/graph.ts'
import { openTable } from './lake-tables.ts'
import { printRows } from './output.ts'
import { search } from './retrieval.ts'
import { openGraphStore } from './stores.ts'
import { deadLetterCounts, deadLettersFolder } from './table-status.ts'
import type { runTotals } from './totals.ts'
import type { Workspace } from './workspace.ts'

export interface DemoRound {
  readonly sent: SimulationReport
  readonly totals: ReturnType<typeof runTotals>
}

/** @param rounds the catalogue, then the changes */
export async function printSummary(workspace: Workspace, rounds: readonly [DemoRound, DemoRound]): Promise<void> {
  printRows(
    kinds.map((kind) => arrival(kind, rounds)),
    { json: false, empty: '' },
  )
  await printDeadLetters(workspace)
  printSkipped(rounds[1])
  await printSearch(workspace, 'a detective in a dark city with a secret')
  await printPath(workspace)
}

function arrival(kind: Kind, rounds: readonly DemoRound[]): Record<string, unknown> {
  const sum = (of: (round: DemoRound) => number | undefined): number =>
    rounds.reduce((total, round) => total + (of(round) ?? 0), 0)
  const silver = (what: string) => sum(({ totals }) => totals.of(pipelineName('silver', kind)).written[what])
  return {
    topic: topicOf(kind),
    records: sum(({ sent }) => sent.topics[topicOf(kind)]),
    'dead letters': sum(({ totals }) => totals.of(pipelineName('bronze', kind)).deadLetters),
    bronze: sum(({ totals }) => totals.of(pipelineName('bronze', kind)).written.rows),
    'silver rows': silver('inserted'),
    'silver updates': silver('updated'),
  }
}

async function printDeadLetters(workspace: Workspace): Promise<void> {
  const counts = new Map<string, number>()
  for (const kind of kinds)
    for (const { code, records } of await deadLetterCounts(
      workspace,
      await openTable(workspace, `${deadLettersFolder}${kind}`),
    ))
      counts.set(code ?? 'unknown', (counts.get(code ?? 'unknown') ?? 0) + Number(records))
  const parts = [...counts].map(([code, count]) => `${count} ${code}`)
  console.log(`\ndead letters by cause: ${parts.join(', ')}   (millrace dead-letters list)`)
}

/** Of the updates of titles that silver took, those that changed nothing that graph or vectors hold. */
function printSkipped({ totals }: DemoRound): void {
  const titles = kinds.filter((kind) => kind !== 'people')
  const sum = (layer: string, what: string): number =>
    titles.reduce((total, kind) => total + (totals.of(pipelineName(layer, kind)).written[what] ?? 0), 0)
  const updates = sum('silver', 'updated')
  const line = (store: string, written: number): string =>
    `  ${store.padEnd(20)} ${String(written).padStart(5)} written, ${updates - written} skipped (${Math.round((100 * (updates - written)) / Math.max(1, updates))} %)`
  console.log(`\nof ${updates} updates of titles in the second round:`)
  console.log(line('graph relationships', sum('graph', 'ownersRewritten')))
  console.log(line('vectors', sum('vectors', 'updated')))
}

async function printSearch(workspace: Workspace, text: string): Promise<void> {
  const matches = await search(workspace, { text, top: 3 })
  console.log(`\nsearch "${text}"`)
  for (const { score, namespace, metadata } of matches)
    console.log(
      `  ${score.toFixed(2)}  ${namespace.padEnd(9)}  ${String(metadata.title)}${metadata.year == null ? '' : ` (${String(metadata.year)})`}`,
    )
}

/** Between the two best connected people who never met. */
async function printPath(workspace: Workspace): Promise<void> {
  const graph = await openGraphStore(workspace)
  try {
    const [first] = await graph.query(
      'MATCH (p:Person)-[r:ACTED_IN]->(:Movie) RETURN p.id AS id, p.name AS name, count(r) AS n ORDER BY n DESC, id LIMIT 1',
    )
    const far = await graph.query(
      'MATCH (p:Person)-[r:ACTED_IN]->(:TvSeries) WHERE NOT EXISTS { MATCH (p)-[:ACTED_IN]->(:Movie) } RETURN p.id AS id, p.name AS name, count(r) AS n ORDER BY n DESC, id LIMIT 1',
    )
    const last = far[0]
    if (first === undefined || last === undefined) return
    const path = await graph.shortestPath({
      label: 'Person',
      via: ['ACTED_IN', 'CREW_OF'],
      from: String(first.id),
      to: String(last.id),
    })
    console.log(`\ngraph path from ${String(first.name)} to ${String(last.name)}`)
    console.log(`  ${path === null ? 'none' : formatPath(path)}`)
  } finally {
    await graph.close()
  }
}
