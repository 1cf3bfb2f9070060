/** Finding by name: titles and parts of them, whatever their script, case, accents and punctuation. Pure. */
import type { TitleColumns } from './store.ts'

/** What a vector is called, and how much it is asked for. */
export interface Named {
  readonly id: string
  /** All the titles that it goes by. */
  readonly titles: readonly string[]
  /** Of those with the same title, the one with more comes first. */
  readonly weight: number
}

/** What a row is called by its columns; no titles where it lacks them. */
export function namedOf(
  id: string,
  row: Readonly<Record<string, unknown>>,
  { columns, mostFirst }: TitleColumns,
): Named {
  const titles = columns.map((column) => row[column]).filter((title) => typeof title === 'string')
  const weight = Number(row[mostFirst] ?? 0)
  return { id, titles, weight: Number.isFinite(weight) ? weight : 0 }
}

/** Ids that are found by name, best first. */
export interface NamedHits {
  /** One of their titles is the text. */
  readonly exact: readonly string[]
  /** One of their titles has all words of the text, and others. The more of the title the text is, the earlier. */
  readonly words: readonly string[]
}

/** Titles by what is in them. */
export interface TitleIndex {
  /** Adds, or replaces what was there of the id. */
  put(named: Named): void
  remove(id: string): void
  /** At most `most` of each, of those that `accept` lets pass. */
  find(text: string, most: number, accept?: (id: string) => boolean): NamedHits
  weightOf(id: string): number
}

/** The text without case, accents and punctuation, its words parted by one space. */
export function plainTitle(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\p{M}'’ʼ]+/gu, '')
    .normalize('NFC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}

/** Letters of scripts that put no spaces between words. */
const unspaced = /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]+/gu

/** Words; where nothing parts them, pairs of letters and single ones. */
function partsOf(plain: string): Set<string> {
  const parts = new Set<string>()
  for (const [run] of plain.matchAll(unspaced)) {
    const letters = [...run]
    for (const [i, letter] of letters.entries()) {
      parts.add(letter)
      if (i > 0) parts.add(letters[i - 1]! + letter)
    }
  }
  for (const word of plain.replace(unspaced, ' ').split(' ')) if (word !== '') parts.add(word)
  return parts
}

/** Whether {@link TitleIndex.find} may find it by a text: false only for what it never finds. */
export function mayBeMeant(text: string): (named: Named) => boolean {
  const parts = [...partsOf(plainTitle(text))]
  return ({ titles }) => {
    const plain = titles.map(plainTitle).join(' ')
    return parts.length > 0 && parts.every((part) => plain.includes(part))
  }
}

interface Entry {
  readonly plain: readonly string[]
  readonly weight: number
}

/** An empty index. */
export function titleIndex(): TitleIndex {
  const entries = new Map<string, Entry>()
  const byTitle = new Map<string, Set<string>>()
  const byPart = new Map<string, Set<string>>()
  const weightOf = (id: string): number => entries.get(id)?.weight ?? 0
  const heaviestFirst = (a: string, b: string): number => weightOf(b) - weightOf(a) || (a < b ? -1 : a > b ? 1 : 0)

  function remove(id: string): void {
    for (const plain of entries.get(id)?.plain ?? []) {
      drop(byTitle, plain, id)
      for (const part of partsOf(plain)) drop(byPart, part, id)
    }
    entries.delete(id)
  }

  return {
    remove,
    weightOf,
    put({ id, titles, weight }) {
      remove(id)
      const plain = [...new Set(titles.map(plainTitle))].filter((title) => title !== '')
      entries.set(id, { plain, weight })
      for (const title of plain) {
        add(byTitle, title, id)
        for (const part of partsOf(title)) add(byPart, part, id)
      }
    },
    find(text, most, accept = () => true) {
      const wanted = plainTitle(text)
      if (wanted === '') return { exact: [], words: [] }
      const same = byTitle.get(wanted)
      const exact = [...(same ?? [])].filter(accept).sort(heaviestFirst)
      const share = new Map<string, number>()
      for (const id of withAll(byPart, partsOf(wanted)))
        if (same?.has(id) !== true && accept(id)) share.set(id, shareOf(wanted, entries.get(id)!.plain))
      const words = [...share]
        .filter(([, of]) => of > 0)
        .sort(([a, ofA], [b, ofB]) => ofB - ofA || heaviestFirst(a, b))
        .map(([id]) => id)
      return { exact: exact.slice(0, most), words: words.slice(0, most) }
    },
  }
}

/** Ids that all parts have, by looking through those of the rarest. */
function withAll(byPart: ReadonlyMap<string, ReadonlySet<string>>, parts: ReadonlySet<string>): string[] {
  const sets = [...parts].map((part) => byPart.get(part))
  if (sets.some((set) => set === undefined)) return []
  const [rarest, ...others] = (sets as ReadonlySet<string>[]).sort((a, b) => a.size - b.size)
  return [...(rarest ?? [])].filter((id) => others.every((set) => set.has(id)))
}

/** How much of the title that has all of the text the text is; 0 where the words are of several titles. */
function shareOf(wanted: string, titles: readonly string[]): number {
  const runs = wanted.split(' ')
  const shares = titles.map((title) => {
    const words = new Set(title.split(' '))
    const has = (run: string) => words.has(run) || (run.search(unspaced) >= 0 && title.includes(run))
    return runs.every(has) ? wanted.length / title.length : 0
  })
  return Math.min(1, Math.max(0, ...shares))
}

function add(sets: Map<string, Set<string>>, key: string, id: string): void {
  const known = sets.get(key)
  if (known === undefined) sets.set(key, new Set([id]))
  else known.add(id)
}

function drop(sets: Map<string, Set<string>>, key: string, id: string): void {
  const known = sets.get(key)
  known?.delete(id)
  if (known?.size === 0) sets.delete(key)
}
