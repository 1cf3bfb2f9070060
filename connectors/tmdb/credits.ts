/** Who made a title: cast and crew as they stand after so many changes. */
import { type Catalogue, departmentOf, personFields, pickPerson, type Title } from './catalogue.ts'
import { hashKeys, type Random, randomOf } from './random.ts'
import { characterName, imagePath } from './words.ts'

/** How often each part of a title's credits has changed. */
export interface CreditVersions {
  /** People came or went: the only change of who made the title. */
  readonly credits: number
  /** Somebody got another picture. */
  readonly profiles: number
  /** The same rows in another order. */
  readonly order: number
}

/** Cast and crew of a title, as TMDB spells them. */
export interface Credits {
  readonly cast: readonly Record<string, unknown>[]
  readonly crew: readonly Record<string, unknown>[]
}

/** One credit: a person in one role or job. A person may have several in one title. */
interface Slot {
  readonly kind: 'cast' | 'crew'
  /** Number within the kind, never used again: order and cast_id come from it. */
  readonly number: number
  readonly person: number
  readonly department: string
  /** The character played, or the job done. */
  readonly role: string
}

const jobs: readonly (readonly [department: string, ...jobs: string[]])[] = [
  ['Directing', 'Director'],
  ['Writing', 'Screenplay', 'Story', 'Writer'],
  ['Production', 'Producer', 'Executive Producer', 'Casting'],
  ['Camera', 'Director of Photography', 'Camera Operator'],
  ['Editing', 'Editor'],
  ['Sound', 'Original Music Composer', 'Sound Designer'],
  ['Art', 'Production Design', 'Set Decoration'],
  ['Costume & Make-Up', 'Costume Design'],
]

/** `credits` of a movie or a series. Few older titles have neither credit_id nor cast_id. */
export function creditsOf(catalogue: Catalogue, title: Title, versions: CreditVersions): Credits {
  const slots = slotsOf(catalogue, title, versions.credits)
  const withIds = !isLegacy(catalogue, title)
  const rows = (kind: Slot['kind']) => slots.filter((slot) => slot.kind === kind).map((slot) => row(slot))
  const row = (slot: Slot): Record<string, unknown> => ({
    ...personFields(catalogue, slot.person),
    ...(slot.kind === 'cast'
      ? {
          ...(title.type === 'movie' && withIds ? { cast_id: slot.number + 1 } : {}),
          character: slot.role,
          ...(withIds ? { credit_id: creditId(catalogue, title, slot) } : {}),
          order: slot.number,
        }
      : {
          ...(withIds ? { credit_id: creditId(catalogue, title, slot) } : {}),
          department: slot.department,
          job: slot.role,
        }),
  })
  const cast = rows('cast')
  const crew = rows('crew')
  newProfiles(catalogue, title, versions.profiles, cast)
  reorder(catalogue, title, versions.order, crew)
  return { cast, crew }
}

/** 24 hexadecimal digits, unique over all credits of a catalogue. */
export function creditId(catalogue: Catalogue, title: Title, slot: Pick<Slot, 'kind' | 'number'>): string {
  const hash = hashKeys([catalogue.seed, title.type, title.id, slot.kind, slot.number])
  const place = 2 * title.id + (title.type === 'movie' ? 0 : 1)
  const number = 2 * slot.number + (slot.kind === 'cast' ? 0 : 1)
  return [hash, place, number].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('')
}

/** Titles whose credits were entered before credits had ids. */
function isLegacy(catalogue: Catalogue, title: Title): boolean {
  return randomOf(catalogue.seed, 'legacy', title.index).chance(0.03)
}

/** The credits that a title began with, then every change of them. */
function slotsOf(catalogue: Catalogue, title: Title, changes: number): readonly Slot[] {
  const random = randomOf(catalogue.seed, 'credits', title.index)
  const list = openSlots(catalogue)
  for (let left = random.between(3, 14); left > 0; left -= 1) {
    const person = list.add('cast', random)
    if (random.chance(0.015)) list.add('cast', random, person)
  }
  for (let left = random.between(2, 7); left > 0; left -= 1) {
    const person = list.add('crew', random)
    if (random.chance(0.07)) list.add('crew', random, person)
  }
  for (let change = 1; change <= changes; change += 1) {
    const its = randomOf(catalogue.seed, 'credit-change', title.index, change)
    const removed = its.chance(0.3) && list.remove(its)
    if (!removed) list.add(its.chance(0.6) ? 'cast' : 'crew', its)
  }
  return list.slots
}

function openSlots(catalogue: Catalogue) {
  const slots: Slot[] = []
  const counts = { cast: 0, crew: 0 }
  const isListed = (kind: Slot['kind'], person: number) =>
    slots.some((slot) => slot.kind === kind && slot.person === person)

  /** Prefers people of the department, and those who are not listed yet: second roles are given on purpose. */
  function somebody(random: Random, department: string, kind: Slot['kind']): number {
    let person = pickPerson(catalogue, random)
    for (let tries = 0; tries < 6; tries += 1) {
      if (!isListed(kind, person) && (tries > 3 || departmentOf(catalogue, person) === department)) break
      person = pickPerson(catalogue, random)
    }
    return person
  }

  /** A job of the department that the person does not have yet. */
  function jobFor(person: number, among: readonly string[], random: Random): string {
    const free = among.filter((job) => !slots.some((slot) => slot.person === person && slot.role === job))
    return free.length > 0 ? random.pick(free) : 'Thanks'
  }

  return {
    slots: slots as readonly Slot[],
    /** Gives a role or job to this person, or to somebody; returns who got it. The first of a crew directs. */
    add(kind: Slot['kind'], random: Random, again?: number): number {
      const number = counts[kind]
      counts[kind] += 1
      const [department, ...its] = kind === 'cast' ? ['Acting'] : number === 0 ? jobs[0]! : random.pick(jobs)
      const person = again ?? somebody(random, department!, kind)
      const role = kind === 'cast' ? characterName(random) : jobFor(person, its, random)
      slots.push({ kind, number, person, department: department!, role })
      return person
    },
    /** Takes one away, but leaves two of each kind. */
    remove(random: Random): boolean {
      const { kind } = random.pick(slots)
      const its = slots.filter((slot) => slot.kind === kind)
      if (its.length <= 2) return false
      slots.splice(slots.indexOf(random.pick(its)), 1)
      return true
    },
  }
}

function newProfiles(catalogue: Catalogue, title: Title, changes: number, cast: Record<string, unknown>[]): void {
  for (let change = 1; change <= changes; change += 1) {
    const random = randomOf(catalogue.seed, 'profile-change', title.index, change)
    cast[random.int(cast.length)]!.profile_path = imagePath(random)
  }
}

/** Each change swaps two neighbours, so that one change more is always another order. */
function reorder(catalogue: Catalogue, title: Title, changes: number, rows: Record<string, unknown>[]): void {
  for (let change = 1; change <= changes; change += 1) {
    const at = randomOf(catalogue.seed, 'order-change', title.index, change).int(rows.length - 1)
    const moved = rows[at]!
    rows[at] = rows[at + 1]!
    rows[at + 1] = moved
  }
}

/**
 * `aggregate_credits` of a series: the same credits under the same credit_id, one entry a person, with every role or
 * job and its number of episodes.
 */
export function aggregateCreditsOf(
  catalogue: Catalogue,
  title: Title,
  credits: Credits,
): Record<string, readonly Record<string, unknown>[]> {
  const merged = (kind: 'cast' | 'crew') => {
    const people = new Map<unknown, Record<string, unknown>>()
    for (const credit of credits[kind]) {
      const { credit_id, character, job, department, order, ...person } = credit
      const random = randomOf(catalogue.seed, 'episodes', title.index, String(credit_id), String(character ?? job))
      const part = {
        ...(credit_id === undefined ? {} : { credit_id }),
        ...(kind === 'cast' ? { character } : { job }),
        episode_count: random.between(1, 60),
      }
      const parts = kind === 'cast' ? 'roles' : 'jobs'
      const held = people.get(person.id)
      if (held === undefined)
        people.set(person.id, {
          ...person,
          [parts]: [part],
          ...(kind === 'cast' ? { order } : { department }),
          total_episode_count: part.episode_count,
        })
      else {
        ;(held[parts] as unknown[]).push(part)
        held.total_episode_count = Number(held.total_episode_count) + part.episode_count
      }
    }
    return [...people.values()]
  }
  return { cast: merged('cast'), crew: merged('crew') }
}
