/** `millrace graph`: own Cypher, and ready questions to the knowledge graph. They only read. */
import type { Graph, PathStep } from '../../connectors/graph/store.ts'
import type { CommandContext } from '../context.ts'
import { coStars, directorActorPairs, filmography, hubs, pathBetween } from '../graph-questions.ts'
import { printRows, toJson } from '../output.ts'
import { asking as askingStores } from '../reading.ts'
import { openGraphStore } from '../stores.ts'

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
    const steps = await pathBetween(graph, from, to)
    if (json) for (const step of steps ?? []) console.log(toJson(step))
    else console.log(steps === null ? `nothing joins ${from} and ${to} (within 15 relationships)` : formatPath(steps))
    return steps === null ? 1 : 0
  })
}

/** Prints who acted with a person most. */
export function withPerson(context: CommandContext): Promise<number> {
  const [person = ''] = context.arguments
  return rows(context, (graph) => coStars(graph, person, topOf(context)), 'nobody acted beside them')
}

/** Prints directors and actors who work together most, or those of one person. */
export function pairs(context: CommandContext): Promise<number> {
  const [person = null] = context.arguments
  return rows(context, (graph) => directorActorPairs(graph, person, topOf(context)), 'none')
}

/** Prints all credits of a person. */
export function credits(context: CommandContext): Promise<number> {
  const [person = ''] = context.arguments
  return rows(context, (graph) => filmography(graph, person), 'no credits')
}

/** Prints who acted beside most others. */
export function connected(context: CommandContext): Promise<number> {
  return rows(context, (graph) => hubs(graph, topOf(context)), 'none')
}

const defaultTop = 10

function topOf({ options: { top } }: CommandContext): number {
  return typeof top === 'number' ? top : defaultTop
}

function rows(
  context: CommandContext,
  question: (graph: Graph) => Promise<readonly object[]>,
  empty: string,
): Promise<number> {
  return asking(context, async (graph) => {
    const found = await question(graph)
    printRows(
      found.map((row) => ({ ...row })),
      { json: context.json, empty },
    )
    return 0
  })
}

async function asking(context: CommandContext, work: (graph: Graph) => Promise<number>): Promise<number> {
  return askingStores(context.config, ['neo4j'], async (place) => {
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
