/** `millrace graph` and `graph path`: questions to the knowledge graph. They only read. */
import type { Graph, PathStep } from '../../connectors/graph/store.ts'
import type { CommandContext } from '../context.ts'
import { printRows, toJson } from '../output.ts'
import { reading } from '../reading.ts'
import { openGraphStore } from '../stores.ts'

/** What joins people to titles. */
const via = ['ACTED_IN', 'CREW_OF']

/** Prints the rows of a Cypher query. */
export async function query(context: CommandContext): Promise<number> {
  const {
    arguments: [cypher = ''],
    json,
  } = context
  return asking(context, async (graph) => {
    printRows(await graph.query(cypher), { json, empty: 'no rows' })
    return 0
  })
}

/** Prints a shortest way between two people over the titles that they share; 1 if there is none. */
export async function path(context: CommandContext): Promise<number> {
  const {
    arguments: [from = '', to = ''],
    json,
  } = context
  return asking(context, async (graph) => {
    const steps = await graph.shortestPath({ label: 'Person', via, from, to })
    if (json) for (const step of steps ?? []) console.log(toJson(step))
    else console.log(steps === null ? `nothing joins ${from} and ${to} (within 15 relationships)` : formatPath(steps))
    return steps === null ? 1 : 0
  })
}

async function asking(context: CommandContext, work: (graph: Graph) => Promise<number>): Promise<number> {
  return reading(context.config, async (place) => {
    const graph = await openGraphStore(place)
    try {
      return await work(graph)
    } finally {
      await graph.close()
    }
  })
}

/** `Ann - (acted in) - Some Film - (worked on) - Bob`. */
export function formatPath(steps: readonly PathStep[]): string {
  const verbs: Readonly<Record<string, string>> = { ACTED_IN: 'acted in', CREW_OF: 'worked on' }
  return steps
    .flatMap(({ label, key, name, via: relationship }) => {
      const shown = name ?? `${label} ${key}`
      return relationship === null ? [shown] : [`(${verbs[relationship] ?? relationship})`, shown]
    })
    .join(' - ')
}
