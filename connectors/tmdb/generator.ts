/** A catalogue of invented titles and people, and the history of its documents over some weeks. */
import { type Catalogue, personArriving, personId, type Title, titleOf } from './catalogue.ts'
import { drawChange, personChanges, type TitleChange, titleChanges, versionTable } from './changes.ts'
import type { Label, TmdbEvent } from './event.ts'
import { movieDocument } from './movie.ts'
import { personDocument } from './person.ts'
import { type Random, randomOf } from './random.ts'
import { seriesDocument } from './series.ts'

export interface GeneratorOptions {
  readonly seed: number
  /** Movies and series together. */
  readonly titles: number
  /** Default: four a title. */
  readonly people?: number
  /** Event time of the first event. Default 2026-06-01. */
  readonly startMs?: number
  /** Length of the history. Default 38. */
  readonly days?: number
  /** Updates of titles, as a multiple of their number. Default 2.1. */
  readonly changesPerTitle?: number
  /** Updates of people, as a multiple of their number. Default 0.3. */
  readonly changesPerPerson?: number
}

type Happening = 'title' | 'person' | 'title-change' | 'person-change' | 'title-deletion' | 'person-deletion'

interface Phase {
  readonly label: Label
  readonly startMs: number
  readonly endMs: number
  /** How often each happens; in which order is chance. */
  readonly counts: Readonly<Record<Happening, number>>
}

/** Where in the second phase `certification` begins to exist. */
const certificationFrom = 0.4
const dayMs = 86_400_000

/**
 * The history, in the order of event times (whole seconds): first an initial load of three in five titles and people,
 * labelled `old`; then new ones, changes and deletions. People arrive before or after their titles. Lazy; remembers
 * some twenty bytes a title. The same options give the same events.
 */
export function* generateHistory(options: GeneratorOptions): Generator<TmdbEvent, void, undefined> {
  const { seed, titles } = options
  const world = openWorld({ seed, titles, people: options.people ?? titles * 4 })
  for (const phase of phasesOf(options, world.catalogue)) yield* happenings(world, phase)
}

function phasesOf(options: GeneratorOptions, { titles, people }: Catalogue): readonly [Phase, Phase] {
  const { startMs = Date.UTC(2026, 5, 1), days = 38, changesPerTitle = 2.1, changesPerPerson = 0.3 } = options
  const oldTitles = Math.ceil(titles * 0.6)
  const oldPeople = Math.ceil(people * 0.6)
  const middleMs = startMs + Math.floor(days / 19) * dayMs
  const nothing = { 'title-change': 0, 'person-change': 0, 'title-deletion': 0, 'person-deletion': 0 }
  return [
    { label: 'old', startMs, endMs: middleMs, counts: { ...nothing, title: oldTitles, person: oldPeople } },
    {
      label: 'new',
      startMs: middleMs,
      endMs: startMs + days * dayMs,
      counts: {
        title: titles - oldTitles,
        person: people - oldPeople,
        'title-change': Math.round(titles * changesPerTitle),
        'person-change': Math.round(people * changesPerPerson),
        'title-deletion': Math.round(titles * 0.006),
        'person-deletion': Math.round(people * 0.002),
      },
    },
  ]
}

/** Draws from an urn until it is empty, so that the counts are met exactly. */
function* happenings(world: World, phase: Phase): Generator<TmdbEvent, void, undefined> {
  const random = randomOf(world.catalogue.seed, 'history', phase.label)
  const left = { ...phase.counts }
  const kinds = Object.keys(left) as Happening[]
  const total = kinds.reduce((sum, kind) => sum + left[kind], 0)
  const stepSeconds = (phase.endMs - phase.startMs) / 1000 / Math.max(1, total)
  for (let done = 0; done < total; done += 1) {
    const kind = drawTicket(kinds, left, random.int(total - done))
    left[kind] -= 1
    const timestampMs = phase.startMs + Math.floor(done * stepSeconds) * 1000
    const withCertification = phase.label === 'new' && done >= total * certificationFrom
    const event = world.happen(kind, { random, timestampMs, label: phase.label, withCertification })
    if (event !== null) yield event
  }
}

/** Whose ticket it is, of `left` tickets of each kind in a row. */
function drawTicket<K extends string>(kinds: readonly K[], left: Readonly<Record<K, number>>, ticket: number): K {
  let before = 0
  for (const kind of kinds) {
    before += left[kind]
    if (ticket < before) return kind
  }
  throw new RangeError(`ticket ${ticket} of ${before}`)
}

interface Moment {
  readonly random: Random
  readonly timestampMs: number
  readonly label: Label
  readonly withCertification: boolean
}

/** What exists at a moment: versions only, documents are made from them. */
interface World {
  readonly catalogue: Catalogue
  /** Null when there is nothing (left) that it could happen to. */
  happen(kind: Happening, moment: Moment): TmdbEvent | null
}

function openWorld(catalogue: Catalogue): World {
  const titles = population(catalogue.titles, titleChanges)
  const people = population(catalogue.people, personChanges)

  const titleEvent = (title: Title, op: 'A' | 'M', label: Label, timestampMs: number): TmdbEvent => {
    const document = title.type === 'movie' ? movieDocument : seriesDocument
    const doc = document(catalogue, title, titles.versions.of(title.index), titles.changes[title.index]!)
    return { timestampMs, op, label, type: title.type, id: BigInt(title.id), doc }
  }
  const personEvent = (index: number, op: 'A' | 'M', label: Label, timestampMs: number): TmdbEvent => {
    const doc = personDocument(catalogue, index, people.versions.of(index), people.changes[index]!)
    return { timestampMs, op, label, type: 'person', id: BigInt(personId(catalogue, index)), doc }
  }
  return {
    catalogue,
    happen(kind, { random, timestampMs, label, withCertification }) {
      switch (kind) {
        case 'title': {
          const title = titleOf(catalogue, titles.arrive())
          if (withCertification) titles.versions.change(title.index, 'certification')
          return titleEvent(title, 'A', label, timestampMs)
        }
        case 'person':
          return personEvent(personArriving(catalogue, people.arrive()), 'A', label, timestampMs)
        case 'title-change': {
          const title = mostPopularOfThree(catalogue, titles, random)
          if (title === null) return null
          const change = possibleChange(drawChange(titleChanges, random), titles, title, withCertification)
          titles.change(title.index, change)
          return titleEvent(title, 'M', 'change', timestampMs)
        }
        case 'person-change': {
          const nth = people.pick(random)
          if (nth === null) return null
          const index = personArriving(catalogue, nth)
          people.change(index, drawChange(personChanges, random))
          return personEvent(index, 'M', 'change', timestampMs)
        }
        case 'title-deletion': {
          const index = titles.pick(random)
          if (index === null) return null
          titles.remove(index)
          const { type, id } = titleOf(catalogue, index)
          return { timestampMs, op: 'D', type, id: BigInt(id) }
        }
        case 'person-deletion': {
          const nth = people.pick(random)
          if (nth === null) return null
          people.remove(nth)
          return {
            timestampMs,
            op: 'D',
            type: 'person',
            id: BigInt(personId(catalogue, personArriving(catalogue, nth))),
          }
        }
      }
    },
  }
}

type Population<K extends string> = ReturnType<typeof population<K>>

/** Titles or people: who has arrived, who is gone, and how often each has changed. */
function population<K extends string>(size: number, shares: Readonly<Record<K, number>>) {
  const versions = versionTable(size, shares)
  const changes = new Uint16Array(size)
  const gone = new Uint8Array(size)
  let arrived = 0
  return {
    versions,
    /** All changes of each. */
    changes: changes as Readonly<Uint16Array>,
    /** Number of the next one. */
    arrive(): number {
      arrived += 1
      return arrived - 1
    },
    /** One of those who are there, all equally likely; null if chance finds none. */
    pick(random: Random): number | null {
      for (let tries = 0; arrived > 0 && tries < 32; tries += 1) {
        const nth = random.int(arrived)
        if (gone[nth] === 0) return nth
      }
      return null
    },
    change(index: number, kind: K): void {
      versions.change(index, kind)
      changes[index]! += 1
    },
    remove(nth: number): void {
      gone[nth] = 1
    },
  }
}

/** The more popular a title, the more often it changes: as in real histories, about a third never does. */
function mostPopularOfThree(catalogue: Catalogue, titles: Population<TitleChange>, random: Random): Title | null {
  let best: Title | null = null
  for (let draw = 0; draw < 3; draw += 1) {
    const index = titles.pick(random)
    const title = index === null ? null : titleOf(catalogue, index)
    if (title !== null && (best === null || title.popularity > best.popularity)) best = title
  }
  return best
}

/** `certification` appears once, and not before it exists. */
function possibleChange(
  drawn: TitleChange,
  titles: Population<TitleChange>,
  title: Title,
  withCertification: boolean,
): TitleChange {
  if (drawn !== 'certification') return drawn
  const has = titles.versions.of(title.index).certification > 0
  return has || !withCertification ? 'details' : drawn
}
