/** Documents of the size of real ones: films with the credits of many, and with what silver does not read. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { generateHistory } from '../connectors/tmdb/generator.ts'

type Doc = Readonly<Record<string, unknown>>

/** Documents that are taken in turn, each under another id. */
export type Documents = (id: number) => Doc

/** Generated films of about so many bytes each: half of it in credits, half in fields that no pipeline reads. */
export function wideDocuments(bytes: number): Documents {
  const films = [...generateHistory({ seed: 1, titles: 400 })]
    .filter((event) => event.op !== 'D' && event.type === 'movie')
    .map((event) => (event as { readonly doc: Doc }).doc)
  const cast = films.flatMap((film) => (film.credits as { readonly cast: readonly Doc[] } | undefined)?.cast ?? [])
  const castBytes = JSON.stringify(cast[0]).length
  const others = films.map((film) => JSON.stringify(film)).join(' ')
  return (id) => {
    const film = films[id % films.length]!
    const half = Math.max(0, bytes - JSON.stringify(film).length) / 2
    const members = Array.from({ length: Math.round(half / castBytes) }, (_, i) => ({
      ...cast[(id * 31 + i) % cast.length]!,
      credit_id: `${id}-${i}`,
    }))
    const from = (id * 7919) % Math.max(1, others.length - half)
    return { ...film, id, credits: { cast: members, crew: [] }, reviews: others.slice(from, from + half) }
  }
}

/** Documents of a file of JSON lines (gzip if it ends so): each line a document, or an object with it as `doc` or `body`. */
export function documentsOf(path: string): Documents {
  const bytes = path.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path)
  const docs = bytes
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const parsed = JSON.parse(line) as { readonly doc?: Doc; readonly body?: Doc }
      return parsed.doc ?? parsed.body ?? (parsed as Doc)
    })
  return (id) => ({ ...docs[id % docs.length]!, id })
}
