import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../engine/clock.ts'
import { openVectorCache } from './vector-cache.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-vector-cache-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const open = (id = 'model-a', limitBytes = 2 ** 30, dimension = 3) =>
  openVectorCache({ dir, embedder: { id, dimension }, limitBytes, clock: systemClock })
const vector = (...values: number[]) => Float32Array.from(values)

test('what was put is found again, by whoever opens it, to the bit; other embedders find nothing', async () => {
  const first = await open()
  first.put(['a', 'b'], [vector(1, 2, 3), vector(0.1, -0, 1e-40)])
  const second = await open()
  expect(second.get(['b', 'nothing', 'a'])).toEqual([vector(0.1, -0, 1e-40), undefined, vector(1, 2, 3)])
  first.close()
  expect((await open('model-b')).get(['a'])).toEqual([undefined])
  expect((await open()).get(['a'])).toEqual([vector(1, 2, 3)])
  second.close()
})

test('any text is its own key', async () => {
  const cache = await open()
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 20 }), (texts) => {
      cache.put(
        texts,
        texts.map((_, i) => vector(i, 0, 0)),
      )
      expect(cache.get(texts)).toEqual(texts.map((_, i) => vector(i, 0, 0)))
    }),
  )
  cache.close()
})

test('a damaged entry is not served, and put anew', async () => {
  const cache = await open()
  cache.put(['a', 'b'], [vector(1, 2, 3), vector(4, 5, 6)])
  const file = new DatabaseSync(join(dir, 'vectors.sqlite'))
  file.exec("UPDATE vectors SET vector = x'000000000000000000000000' WHERE entry = 1")
  file.exec("UPDATE vectors SET vector = x'00' WHERE entry = 2")
  file.close()
  expect(cache.get(['a', 'b'])).toEqual([undefined, undefined])
  cache.put(['a'], [vector(1, 2, 3)])
  expect(cache.get(['a', 'b'])).toEqual([vector(1, 2, 3), undefined])
  cache.close()
})

test('past the limit the entries that were kept first go, and the file does not grow on', async () => {
  const dimension = 256
  const limitBytes = 2 ** 20 * 3
  const cache = await open('model-a', limitBytes, dimension)
  const texts = Array.from({ length: 8000 }, (_, i) => `text ${i}`)
  for (let i = 0; i < texts.length; i += 100) {
    const part = texts.slice(i, i + 100)
    cache.put(
      part,
      part.map(() => new Float32Array(dimension).fill(i)),
    )
  }
  const kept = cache.get(texts).map((found) => found !== undefined)
  expect(kept.at(-1)).toBe(true)
  expect(kept[0]).toBe(false)
  expect(kept.lastIndexOf(false)).toBe(kept.indexOf(true) - 1)
  cache.close()
  // entries between two looks come on top
  expect(statSync(join(dir, 'vectors.sqlite')).size).toBeLessThan(limitBytes + 1100 * (dimension * 4 + 200))
})

test('processes open it at the same moment and all that they put is found', async () => {
  const script = `
    import { openVectorCache } from ${JSON.stringify(new URL('./vector-cache.ts', import.meta.url).href)}
    import { systemClock } from ${JSON.stringify(new URL('../../engine/clock.ts', import.meta.url).href)}
    const [dir, who] = process.argv.slice(1)
    const cache = await openVectorCache({ dir, embedder: { id: 'model-a', dimension: 1 }, limitBytes: 2 ** 30, clock: systemClock })
    for (let i = 0; i < 50; i++) cache.put([who + i, 'shared'], [Float32Array.of(i), Float32Array.of(7)])`
  const run = (who: string) => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, dir, who])
  const ends = await Promise.all(['a', 'b', 'c', 'd'].map(run))
  expect(ends.map(({ stderr }) => stderr).join('')).toBe('') // no warning either
  const cache = await open('model-a', 2 ** 30, 1)
  const texts = ['a', 'b', 'c', 'd'].flatMap((who) => Array.from({ length: 50 }, (_, i) => `${who}${i}`))
  expect(cache.get(texts).map((found) => found?.[0])).toEqual(texts.map((text) => Number(text.slice(1))))
  expect(cache.get(['shared'])).toEqual([vector(7)])
  cache.close()
})

test('a file that is none, and a folder that cannot be made, are named', async () => {
  writeFileSync(join(dir, 'vectors.sqlite'), 'not a database at all, but long enough to be looked at'.repeat(50))
  await expect(open()).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    retryable: false,
    message: expect.stringMatching(/embedding cache .*vectors\.sqlite: .*delete its folder/),
  })
  const under = openVectorCache({
    dir: join(dir, 'vectors.sqlite', 'x'),
    embedder: { id: 'a', dimension: 1 },
    limitBytes: 1,
    clock: systemClock,
  })
  await expect(under).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  expect(readdirSync(dir)).toEqual(['vectors.sqlite'])
})
