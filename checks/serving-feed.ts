/**
 * A change history as a check sends it: in order, cut into random slices, with people of its credits whose own documents come late, are
 * renamed or deleted, and with titles that are deleted and whose older versions come after that.
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Draw } from './random.ts'

interface Entry {
  readonly ts: number
  readonly op: 'A' | 'M' | 'D'
  readonly type: 'movie' | 'tv_series' | 'person'
  readonly id: number
  readonly doc?: Document
}

interface Document {
  readonly [field: string]: unknown
  readonly credits?: { readonly [list: string]: readonly { readonly id?: number; readonly name?: string }[] }
}

/** What the feed holds, for the report. */
export interface Feed {
  /** JSON lines of each slice. */
  readonly slices: readonly string[]
  readonly titles: number
  readonly deletedTitles: number
  readonly people: number
  readonly deletedPeople: number
}

/** @param share part of the history that is sent, from its beginning */
export function servingFeed(history: string, draw: Draw, { slices, share }: { slices: number; share: number }): Feed {
  const lines = gunzipSync(readFileSync(history)).toString('utf8').trimEnd().split('\n')
  const entries = lines.slice(0, Math.ceil(lines.length * share)).map((line) => JSON.parse(line) as Entry)
  const chance = (percent: number) => draw(100) < percent
  const late = new Map<number, Entry[]>() // by the place in the history before which they are sent
  const send = (place: number, entry: Entry) => late.set(place, [...(late.get(place) ?? []), entry])
  const people = new Set<number>()
  let [deletedTitles, deletedPeople] = [0, 0]
  entries.forEach((entry, place) => {
    const after = () => place + 1 + draw(entries.length - place)
    if (chance(3)) {
      deletedTitles += 1
      const gone = after()
      send(gone, { ts: entries[Math.min(gone, entries.length - 1)]!.ts, op: 'D', type: entry.type, id: entry.id })
      send(gone + draw(50), entry) // again, and too late
    }
    for (const { id, name } of Object.values(entry.doc?.credits ?? {}).flat()) {
      if (id === undefined || id === null || people.has(id) || !chance(8)) continue
      people.add(id)
      const person = { ts: entry.ts, type: 'person', id } as const
      const first = after()
      send(first, {
        ...person,
        op: 'A',
        doc: { id, name, known_for_department: 'Acting', also_known_as: [], biography: '' },
      })
      if (chance(10))
        send(first + draw(200), {
          ...person,
          ts: entry.ts + 1,
          op: 'M',
          doc: { id, name: `${name} Jr.`, birthday: '1874-12-09', biography: 'Born early.' },
        })
      if (!chance(10)) continue
      deletedPeople += 1
      send(first + draw(400), { ...person, ts: entry.ts + 2, op: 'D' })
    }
  })
  const cuts = new Set(Array.from({ length: slices - 1 }, () => 1 + draw(entries.length - 1)))
  const parts: string[][] = [[]]
  entries.forEach((entry, place) => {
    if (cuts.has(place)) parts.push([])
    for (const each of [...(late.get(place) ?? []), entry]) parts.at(-1)!.push(JSON.stringify(each))
  })
  for (const [place, each] of late)
    if (place >= entries.length) parts.at(-1)!.push(...each.map((entry) => JSON.stringify(entry)))
  const titles = new Set(entries.map(({ type, id }) => `${type}/${id}`)).size
  return {
    slices: parts.map((part) => `${part.join('\n')}\n`),
    titles,
    deletedTitles,
    people: people.size,
    deletedPeople,
  }
}
