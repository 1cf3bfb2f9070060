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

/** Movies cut down to about 1 KB: as many credits are left out as it takes. */
export function smallDocuments(): DocumentSet {
  const events = movies(300).map((event) => (event.op === 'D' ? event : { ...event, doc: shortened(event.doc) }))
  return { name: '1KB', events }
}

/** Real documents where the data is there, else generated ones. */
export function fullDocuments(): DocumentSet {
  const file = join(import.meta.dirname, '../../shared/data/tmdb/history.jsonl.gz')
  if (!existsSync(file)) return { name: '4KB-generated', events: movies(800) }
  const lines = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n')
  const events = lines.map((line) => eventOf(line, 0)).filter((event) => typeof event !== 'string')
  return { name: '4KB-real', events: events.filter((event) => event.type === 'movie') }
}

function movies(titles: number): TmdbEvent[] {
  return [...generateHistory({ seed: 1, titles })].filter((event) => event.type === 'movie' && event.op !== 'D')
}

function shortened(doc: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { credits: _credits, keywords: _keywords, production_companies: _companies, ...rest } = doc
  const padding = Math.max(0, 900 - JSON.stringify(rest).length)
  return { ...rest, overview: `${String(rest.overview ?? '')}${' and so it goes'.repeat(Math.ceil(padding / 15))}` }
}
