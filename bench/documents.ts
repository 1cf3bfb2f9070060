/** Records to measure with: envelopes of documents, small and real-sized. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { TmdbEvent } from '../connectors/tmdb/event.ts'
import { generateHistory } from '../connectors/tmdb/generator.ts'
import { eventOf } from '../connectors/tmdb/inputs.ts'

export interface DocumentSet {
  /** `1KB`, `4KB-real`, `4KB-generated`. */
  readonly name: string
  readonly events: readonly TmdbEvent[]
}

type Upsert = Exclude<TmdbEvent, { readonly op: 'D' }>

/** Movies cut down to about 1 KB: as many credits are left out as it takes. */
export function smallDocuments(titles = 300): DocumentSet {
  const events = movies(titles).map((event) => ({ ...event, doc: shortened(event.doc) }))
  return { name: '1KB', events }
}

/** {@link smallDocuments} that repeat so late (12 MB) that neither dictionaries nor compression in Parquet notice. */
export function manySmallDocuments(): DocumentSet {
  return smallDocuments(5000)
}

/** Movies with others as recommendations, to about 20 KB. */
export function largeDocuments(): DocumentSet {
  const all = movies(800)
  const events = all.map((event, i) => {
    const recommendations = others(all, i).map(({ doc }) => doc)
    return { ...event, doc: { ...event.doc, recommendations } }
  })
  return { name: '20KB', events }
}

/** Real documents where the data is there, else generated ones. */
export function fullDocuments(): DocumentSet {
  const file = join(import.meta.dirname, '../../shared/data/tmdb/history.jsonl.gz')
  if (!existsSync(file)) return { name: '4KB-generated', events: movies(800) }
  const lines = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n')
  const events = lines.map((line) => eventOf(line, 0)).filter((event) => typeof event !== 'string')
  return { name: '4KB-real', events: events.filter((event) => event.type === 'movie') }
}

/** As many of the next ones as make up 20 KB. */
function others(all: readonly Upsert[], from: number): Upsert[] {
  const chosen: Upsert[] = []
  for (let bytes = 0, i = from; bytes < 20_000; i += 1) {
    const event = all[i % all.length]!
    if (i > from) chosen.push(event)
    bytes += JSON.stringify(event.doc).length
  }
  return chosen
}

function movies(titles: number): Upsert[] {
  return [...generateHistory({ seed: 1, titles })].filter(isUpsert).filter(({ type }) => type === 'movie')
}

function isUpsert(event: TmdbEvent): event is Upsert {
  return event.op !== 'D'
}

function shortened(doc: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { credits: _credits, keywords: _keywords, production_companies: _companies, ...rest } = doc
  const padding = Math.max(0, 900 - JSON.stringify(rest).length)
  return { ...rest, overview: `${String(rest.overview ?? '')}${' and so it goes'.repeat(Math.ceil(padding / 15))}` }
}
