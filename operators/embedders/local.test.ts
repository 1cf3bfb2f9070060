import fc from 'fast-check'
import { expect, test } from 'vitest'
import { localEmbedder } from './local.ts'

async function similarity(left: string, right: string): Promise<number> {
  const [a, b] = await localEmbedder.embed([left, right])
  return a!.reduce((sum, value, i) => sum + value * b![i]!, 0)
}

const heist = 'A retired thief plans one last bank robbery with his old crew.'
const robbery = 'The crew of bank robbers is betrayed by a thief during their last heist.'
const romance = 'Two strangers fall in love on a night train through Vienna.'
const space = 'An astronaut stranded on a distant planet must survive alone.'

test('texts that share vocabulary are nearer than texts that do not', async () => {
  const related = await similarity(heist, robbery)
  for (const other of [romance, space]) {
    expect(related).toBeGreaterThan((await similarity(heist, other)) + 0.15)
    expect(related).toBeGreaterThan((await similarity(robbery, other)) + 0.15)
  }
  expect(await similarity('astronauts stranded on planets', space)).toBeGreaterThan(0.4)
})

test('stop words hardly count', async () => {
  expect(await similarity('the war of the worlds', 'war worlds')).toBeGreaterThan(0.9)
  expect(await similarity('the and of with love', 'the and of with war')).toBeLessThan(0.2)
})

test('case and diacritics do not count, scripts without them do', async () => {
  expect(await similarity('AMÉLIE à Montmartre', 'amelie a montmartre')).toBeCloseTo(1, 5)
  expect(await similarity('Семь самураев', 'семь САМУРАЕВ')).toBeCloseTo(1, 5)
  expect(await similarity('七人の侍', '羅生門')).toBeLessThan(0.3)
})

test('every vector has length 1, except that of a text without words', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
      const [vector] = await localEmbedder.embed([text])
      const length = Math.sqrt(vector!.reduce((sum, value) => sum + value * value, 0))
      expect(vector!.length).toBe(localEmbedder.dimension)
      expect(Math.min(Math.abs(length), Math.abs(length - 1))).toBeLessThan(1e-5)
    }),
  )
  expect((await localEmbedder.embed(['', ' …!'])).flatMap((vector) => [...vector]).every((value) => value === 0)).toBe(
    true,
  )
})

test('the vectors are those of this version for ever', async () => {
  const [vector] = await localEmbedder.embed(['The lighthouse keeper'])
  const top = [...vector!.entries()].sort(([i, a], [j, b]) => Math.abs(b) - Math.abs(a) || i - j).slice(0, 3)
  expect(top.map(([i, value]) => [i, Number(value.toFixed(6))])).toMatchInlineSnapshot(`
    [
      [
        620,
        0.419406,
      ],
      [
        779,
        0.419406,
      ],
      [
        44,
        0.146792,
      ],
    ]
  `)
})
