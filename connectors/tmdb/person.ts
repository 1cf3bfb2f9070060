/** Documents of `/3/person/{id}`. */
import { type Catalogue, personFields, rounded } from './catalogue.ts'
import type { PersonChange, Versions } from './changes.ts'
import type { TmdbDocument } from './event.ts'
import { normal, type Random, randomOf } from './random.ts'
import { biography, capitalised, imagePath, personName } from './words.ts'

const birthplaces = ['Ostrava Bay', 'Veldermoor', 'Little Arden', 'Mirador', 'Port Sorrow']

/** A person after so many changes; `changes` counts all of them. Half of all people have no biography. */
export function personDocument(
  catalogue: Catalogue,
  index: number,
  versions: Versions<PersonChange>,
  changes: number,
): TmdbDocument {
  const { seed } = catalogue
  const fields = personFields(catalogue, index)
  const random = randomOf(seed, 'person-document', index)
  const moved = randomOf(seed, 'person-popularity', index, changes)
  const life = randomOf(seed, 'biography', index, versions.biography)
  const born = birthday(random)
  return {
    adult: fields.adult,
    also_known_as: otherNames(seed, index, random.pick([0, 0, 0, 1, 2]) + versions.names),
    biography:
      versions.biography === 0 && life.chance(0.5) ? '' : biography(life, fields.name, fields.known_for_department),
    birthday: born,
    deathday: deathday(born, random, versions.death),
    gender: fields.gender,
    homepage: null,
    id: fields.id,
    imdb_id: random.chance(0.7) ? `nm${String(7_000_000 + fields.id).padStart(7, '0')}` : null,
    known_for_department: fields.known_for_department,
    name: fields.name,
    original_name: fields.original_name,
    place_of_birth: random.chance(0.6) ? random.pick(birthplaces) : null,
    popularity: rounded(fields.popularity * Math.exp(0.2 * normal(moved)) + 0.01, 4),
    profile_path:
      versions.picture === 0 ? fields.profile_path : imagePath(randomOf(seed, 'picture', index, versions.picture)),
  }
}

/** Null or `''` for many, and long ago for the people of old titles. */
function birthday(random: Random): string | null {
  if (random.chance(0.4)) return random.chance(0.2) ? '' : null
  const year = random.chance(0.02) ? random.between(1840, 1899) : random.between(1900, 2005)
  return `${year}-${String(random.between(1, 12)).padStart(2, '0')}-${String(random.between(1, 28)).padStart(2, '0')}`
}

function deathday(born: string | null, random: Random, deaths: number): string | null {
  const old = born !== null && born !== '' && Number(born.slice(0, 4)) < 1930
  if (deaths > 0) return `2026-07-${String(1 + (deaths % 28)).padStart(2, '0')}`
  return old ? `${Number(born.slice(0, 4)) + random.between(40, 90)}-03-01` : null
}

function otherNames(seed: number, index: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${capitalised(personName(seed + 1 + i, index))} (${i + 1})`)
}
