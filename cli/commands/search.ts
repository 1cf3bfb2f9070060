/** `millrace search`: titles and people by meaning. */
import type { Match } from '../../connectors/vectors/store.ts'
import type { CommandContext } from '../context.ts'
import { type OutputRow, printRows } from '../output.ts'
import { asking } from '../reading.ts'
import { search as searchIn } from '../retrieval.ts'
import { retrievalRequest } from '../retrieval-options.ts'

/** Prints the nearest texts, best first. */
export async function search(context: CommandContext): Promise<number> {
  const { config, json } = context
  const request = retrievalRequest('search', context)
  return asking(config, ['pinecone'], async (place) => {
    const matches = await searchIn(place, request)
    printRows(matches.map(json ? forScripts : forPeople), { json, empty: 'nothing found' })
    return 0
  })
}

function forScripts({ score, namespace, id, metadata }: Match): OutputRow {
  return { score, type: namespace, id, ...metadata }
}

function forPeople({ score, namespace, id, metadata }: Match): OutputRow {
  const { title = null, year = null, text = null } = metadata
  return { score: score.toFixed(3), type: namespace, id, title, year, text }
}
