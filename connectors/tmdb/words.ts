/** Invented names, titles and texts. All people, companies and works are made up from syllables and plain words. */
import type { PlotGenre } from './genres.ts'
import { type Random, randomOf } from './random.ts'

const onsets = [
  'b',
  'br',
  'd',
  'dr',
  'f',
  'g',
  'h',
  'j',
  'k',
  'kl',
  'l',
  'm',
  'n',
  'p',
  'r',
  's',
  'sh',
  'st',
  't',
  'v',
  'z',
]
const vowels = ['a', 'e', 'i', 'o', 'u', 'ai', 'ea', 'ie', 'ou', 'á', 'é', 'ö']
const givenEnds = ['ra', 'na', 'lo', 'mir', 'sel', 'n', 'ko', 'ric', 'lia', 'the', 'vin', 'ya', 'do', 's']
const familyEnds = [
  'nek',
  'vold',
  'rai',
  'mond',
  'ska',
  'tani',
  'berrin',
  'quell',
  'dottir-Ley',
  'zade',
  'wick',
  'ovar',
  'lund',
  'mori',
]

/** A person's name. The same index always has the same one; two people may share theirs, as happens. */
export function personName(seed: number, index: number): string {
  const random = randomOf(seed, 'name', index)
  const given = capitalised(syllable(random) + random.pick(givenEnds))
  const family = capitalised(syllable(random) + (random.chance(0.5) ? syllable(random) : '') + random.pick(familyEnds))
  if (random.chance(0.03)) return `${given} "${capitalised(syllable(random) + random.pick(givenEnds))}" ${family}`
  if (random.chance(0.03)) return `${given} O'${family}`
  return random.chance(0.08) ? `${given} ${capitalised(syllable(random))}. ${family}` : `${given} ${family}`
}

function syllable(random: Random): string {
  const vowel = random.chance(0.9) ? random.int(8) : random.int(vowels.length)
  return random.pick(onsets) + vowels[vowel]!
}

/** With its first letter in upper case. */
export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

const qualities = [
  'Silent',
  'Crimson',
  'Last',
  'Hollow',
  'Golden',
  'Broken',
  'Distant',
  'Burning',
  'Paper',
  'Second',
  'Winter',
  'Restless',
  'Borrowed',
  'Invisible',
  'Iron',
  'Quiet',
]
const nouns = [
  'Harbour',
  'Orchard',
  'Signal',
  'Garden',
  'Letter',
  'Mountain',
  'River',
  'Clock',
  'Kingdom',
  'Bridge',
  'Lantern',
  'Shadow',
  'Tide',
  'Machine',
  'Promise',
  'Circus',
  'Border',
  'Mirror',
  'Winter',
  'Promenade',
]
const places = [
  'Ostrava Bay',
  'the Salt Road',
  'Veldermoor',
  'Kasim Island',
  'the Northern Line',
  'Little Arden',
  'Port Sorrow',
  'the Ninth Floor',
  'Mirador',
  'Tallow Street',
]
const foreignTitles = [
  '静かな港',
  'الحديقة الأخيرة',
  'Тихая гавань',
  '마지막 등대',
  'Le Jardin d’Hiver',
  'Die Brücke am Ende',
  'El río de vidrio',
  '冬の約束',
]

/** A title, now and then with quotes, a backslash or an emoji in it. */
export function titleName(random: Random): string {
  const thing = `${random.pick(qualities)} ${random.pick(nouns)}`
  const name = random.pick([
    `The ${thing}`,
    thing,
    `${random.pick(nouns)} of ${random.pick(places)}`,
    `The ${random.pick(nouns)} and the ${random.pick(nouns)}`,
    `A ${random.pick(nouns)} for ${random.pick(places)}`,
  ])
  const odd = random.next()
  if (odd < 0.02) return `${name}: "${random.pick(nouns)}"`
  if (odd < 0.03) return `Robert'); DROP TABLE ${random.pick(nouns)};--`
  if (odd < 0.035) return `${name} 🎬`
  if (odd < 0.04) return `${random.pick(nouns)}\\${random.pick(nouns)}`
  return name
}

/** The title in its own language: mostly the same. */
export function originalTitle(random: Random, title: string): string {
  return random.chance(0.12) ? `${random.pick(foreignTitles)} ${random.between(1, 99)}` : title
}

const openings = ['In', 'Somewhere near', 'Far from', 'On the way to', 'Years after the flood of']
const turns = [
  'Nothing is as it was left',
  'Then a stranger arrives with a question',
  'But the past keeps its own accounts',
  'Soon the whole neighbourhood is part of it',
  'When the lights go out, an old alliance is tested',
  'Every answer opens another door',
]
const closings = [
  'A story of courage, patience and bad weather.',
  'Not everyone will be there when the morning comes.',
  'It takes more than luck to get home.',
  'Some secrets are heavier than gold.',
  'And the clock does not stop for anybody.',
  'What remains is a choice between two kinds of silence.',
]

/** A plot of some 100 to 700 characters about what its genres are about. */
export function overview(random: Random, genres: readonly PlotGenre[]): string {
  const sentences = random.between(1, 3) + (random.chance(0.1) ? 4 : 0)
  const text: string[] = []
  for (let i = 0; i < sentences; i += 1) {
    const genre = genres[i % genres.length]!
    text.push(
      i === 0
        ? `${random.pick(openings)} ${random.pick(places)}, ${random.pick(genre.heroes)} comes upon ${random.pick(genre.things)} and ${random.pick(genre.twists)}.`
        : `${random.pick(turns)}: ${random.pick(genre.heroes)} and ${random.pick(genre.things)}.`,
    )
  }
  return [...text, random.pick(closings)].join(' ')
}

/** One line below a title; often none. */
export function tagline(random: Random): string {
  return `${random.pick(turns)}. ${random.pick(closings)}`
}

const trades = [
  'a carpenter',
  'two musicians',
  'a ferryman',
  'a schoolteacher',
  'travelling puppeteers',
  'a family of printers',
]

/** A paragraph about a person; names in it are invented. */
export function biography(random: Random, name: string, department: string): string {
  const parts = [
    `${name} grew up in ${random.pick(places)}, the child of ${random.pick(trades)}.`,
    `Work in ${department.toLowerCase()} began with a small part of the production of "${titleName(random)}".`,
    `Critics praised the ${random.pick(qualities).toLowerCase()} manner of the later years.`,
    `Away from the studio: ${random.pick(nouns).toLowerCase()} restoration and long walks around ${random.pick(places)}.`,
  ]
  return parts.slice(0, random.between(1, parts.length)).join(' ')
}

/** A company, a studio or a network. */
export function companyName(seed: number, index: number): string {
  const random = randomOf(seed, 'company', index)
  return `${random.pick(qualities)} ${random.pick(nouns)} ${random.pick(['Pictures', 'Films', 'Studios', 'Television', 'Media'])}`
}

const characters = ['the Baker', 'the Captain', 'Inspector', 'Aunt', 'Doctor', 'Young', 'Old', 'Sister']

/** A role, as it stands in a cast list. */
export function characterName(random: Random): string {
  const name = capitalised(syllable(random) + random.pick(givenEnds))
  if (random.chance(0.2)) return `${capitalised(random.pick(characters))} ${name}`
  if (random.chance(0.1)) return `${name} (voice)`
  return random.chance(0.5) ? `${name} ${capitalised(syllable(random) + random.pick(familyEnds))}` : name
}

const pathLetters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** A path to a picture as TMDB gives it: `/` and 27 letters, `.jpg`. */
export function imagePath(random: Random): string {
  let path = '/'
  for (let i = 0; i < 27; i += 1) path += pathLetters[random.int(pathLetters.length)]!
  return `${path}.jpg`
}
