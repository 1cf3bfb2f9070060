/** Texts a second that become vectors: made by an embedder, and found again. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../cli/config.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { Embedder } from '../engine/embedder.ts'
import { localSettings, openEmbedder } from '../operators/embedders/registry.ts'
import { openVectorCache } from '../operators/embedders/vector-cache.ts'
import { smallDocuments } from './documents.ts'
import type { BenchResult } from './result.ts'

/** How long each is measured. */
const seconds = 5
/** Entries that are looked up and kept at once, as a slow embedder does. */
const together = 64

/** The local embedder, the one that the environment configures, and what is kept of either's vectors. On one thread. */
export async function* embedders(dir: string): AsyncGenerator<BenchResult> {
  const { embedder: configured } = readConfig({ env: process.env })
  const texts = smallDocuments(2000).events.flatMap((event) => (event.op === 'D' ? [] : [textOf(event.doc)]))
  for (const settings of configured.kind === 'local' ? [localSettings] : [localSettings, configured]) {
    const embedder = await openEmbedder('default', settings, { clock: systemClock, ids: systemIds })
    await embedder.embed(texts.slice(0, 1)) // loads the model
    const perSecond = await rate(texts, (part) => embedder.embed(part))
    const name = settings.kind === 'local' ? 'local' : `${settings.kind} ${settings.modelId}`
    yield { bench: `embedder ${name}`, dimension: embedder.dimension, textsPerSecond: perSecond }
  }
  yield await cache(dir, texts, { id: 'bench', dimension: 384 })
}

async function cache(dir: string, texts: readonly string[], embedder: Pick<Embedder, 'id' | 'dimension'>) {
  mkdirSync(dir, { recursive: true })
  const options = { dir: join(dir, 'embeddings'), embedder, limitBytes: 2 ** 30, clock: systemClock }
  const kept = await openVectorCache(options)
  try {
    let turn = 0
    const vector = new Float32Array(embedder.dimension).fill(0.1)
    const keptPerSecond = await rate(texts, async (part) => {
      turn += 1
      kept.put(
        part.map((text) => `${turn} ${text}`),
        part.map(() => vector),
      )
    })
    kept.put(
      texts,
      texts.map(() => vector),
    )
    const foundPerSecond = await rate(texts, async (part) => {
      if (kept.get(part).includes(undefined)) throw new Error('a vector that was kept was not found')
    })
    const missedPerSecond = await rate(texts, async (part) => void kept.get(part.map((text) => `no ${text}`)))
    return { bench: 'embedding cache', dimension: embedder.dimension, keptPerSecond, foundPerSecond, missedPerSecond }
  } finally {
    kept.close()
  }
}

/** Texts a second, some at a time, round and round. */
async function rate(texts: readonly string[], work: (part: readonly string[]) => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  let done = 0
  while (performance.now() - startedMs < seconds * 1000) {
    const from = done % texts.length
    const part = texts.slice(from, from + together)
    await work(part)
    done += part.length
  }
  return Math.round(done / ((performance.now() - startedMs) / 1000))
}

function textOf(doc: object): string {
  const { title = '', overview = '', tagline = '' } = doc as Readonly<Record<string, string | undefined>>
  return [title, tagline, overview].join('\n')
}
