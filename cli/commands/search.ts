/** `millrace search`: titles and people by meaning. */
import type { Match } from '../../connectors/vectors/store.ts'
import { openEmbedder } from '../../operators/embedders/registry.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { type OutputRow, printRows } from '../output.ts'
import { reading } from '../reading.ts'
import { openVectors } from '../stores.ts'

const defaultTop = 10

/** Prints the nearest texts, best first. */
export async function search({ config, arguments: [text = ''], options, json }: CommandContext): Promise<number> {
  if (!/[\p{L}\p{N}]/u.test(text)) throw usageError(['search: the text has no letter and no digit to search for'])
  return reading(config, async (place) => {
    const embedder = await openEmbedder('local')
    const [vector] = await embedder.embed([text])
    const matches = await (await openVectors(place)).search(vector!, {
      topK: typeof options.top === 'number' ? options.top : defaultTop,
      embedder,
      ...(typeof options.type === 'string' ? { namespace: options.type } : {}),
    })
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
