import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mayBeMeant, plainTitle, titleIndex } from './titles.ts'

const films: readonly (readonly [id: string, weight: number, ...titles: string[]])[] = [
  ['up', 5, 'Up'],
  ['it-1990', 2, 'It'],
  ['it-2017', 6, 'It'],
  ['amelie', 5, 'Amélie', "Le Fabuleux Destin d'Amélie Poulain"],
  ['walle', 5, 'WALL·E'],
  ['schindler', 5, "Schindler's List"],
  ['spirited', 6, 'Spirited Away', '千と千尋の神隠し'],
  ['m', 4, 'M'],
  ['alien', 6, 'Alien'],
  ['aliens', 5, 'Aliens'],
  ['covenant', 4, 'Alien: Covenant'],
  ['alien-city', 0, 'Alien', 'City'],
  ['parasite', 6, 'Parasite', '기생충'],
  ['thai', 1, 'ฉลาดเกมส์โกง'],
]
const index = titleIndex()
for (const [id, weight, ...titles] of films) index.put({ id, weight, titles })
const found = (text: string) => {
  const { exact, words } = index.find(text, 10)
  return { exact: [...exact], words: [...words] }
}

test.each<readonly [text: string, exact: readonly string[], words: readonly string[]]>([
  ['Up', ['up'], []],
  ['up!', ['up'], []],
  ['It', ['it-2017', 'it-1990'], []],
  ['amelie', ['amelie'], []],
  ['AMÉLIE', ['amelie'], []],
  ['le fabuleux destin', [], ['amelie']],
  ['wall-e', ['walle'], []],
  ['schindlers list', ['schindler'], []],
  ['Schindler’s list', ['schindler'], []],
  ['alien', ['alien', 'alien-city'], ['covenant']],
  ['alien city', [], []],
  ['千と千尋の神隠し', ['spirited'], []],
  ['千尋', [], ['spirited']],
  ['神隠', [], ['spirited']],
  ['神', [], ['spirited']],
  ['千神', [], []],
  ['原名', [], []],
  ['기생충', ['parasite'], []],
  ['เกมส์', [], ['thai']],
  ['nobody calls it this', [], []],
  ['?!', [], []],
])('by name: %s', (text, exact, words) => {
  expect(found(text)).toEqual({ exact, words })
})

test('law: an index that was changed finds what a new one of the same titles finds', () => {
  const word = fc.constantFrom('the', 'Ring', 'ring', 'lord', '神', '神隠し', 'É')
  const title = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(' '))
  const change = fc.record({
    id: fc.constantFrom('1', '2', '3', '4'),
    titles: fc.array(title, { maxLength: 2 }),
    weight: fc.nat(3),
    gone: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), title, (changes, text) => {
      const changed = titleIndex()
      const now = new Map<string, (typeof changes)[number]>()
      for (const each of changes) {
        if (each.gone) changed.remove(each.id)
        else changed.put(each)
        if (each.gone) now.delete(each.id)
        else now.set(each.id, each)
      }
      const made = titleIndex()
      for (const each of now.values()) made.put(each)
      expect(changed.find(text, 10)).toEqual(made.find(text, 10))
      const same = [...now.values()].filter(({ titles }) => titles.some((one) => plainTitle(one) === plainTitle(text)))
      expect(new Set(changed.find(text, 10).exact)).toEqual(new Set(same.map(({ id }) => id)))
      const meant = titleIndex()
      for (const each of [...now.values()].filter(mayBeMeant(text))) meant.put(each)
      expect(meant.find(text, 10)).toEqual(made.find(text, 10))
    }),
  )
})
