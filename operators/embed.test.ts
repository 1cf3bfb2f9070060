import { Int64, Table, tableFromArrays, Utf8, vectorFromArray } from 'apache-arrow'
import { expect, test } from 'vitest'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { StepContext } from './columns/step.ts'
import { embed } from './embed.ts'
import { embedStep } from './embed-step.ts'
import { localEmbedder } from './embedders/local.ts'
import { localSettings, openEmbedder } from './embedders/registry.ts'

const step = embed('vectors', { text: 'overview', into: 'embedding', embedder: 'local' })
const context: StepContext = {
  pipeline: 'vectors',
  openEmbedder: (name) => openEmbedder(name, localSettings, { clock: systemClock, ids: systemIds }),
  onEmbedded: () => {},
  signal: new AbortController().signal,
}
const table = tableFromArrays({ id: [1, 2, 3, 4], overview: ['a thief', null, 'a ship', 'a thief'] })

test('a column of vectors is added, null where there is no text', async () => {
  const { valid, rejected } = await (await embedStep(step, context)).process(table)
  const [thief, ship] = await localEmbedder.embed(['a thief', 'a ship'])
  const vectors = [...valid.getChild('embedding')!].map((vector) => (vector === null ? null : [...vector]))
  expect(vectors).toEqual([[...thief!], null, [...ship!], [...thief!]])
  expect([...valid.getChild('id')!]).toEqual([1, 2, 3, 4])
  expect(rejected).toBeNull()
})

test('plain text and tables of several batches work alike', async () => {
  const part = (text: string) => new Table({ overview: vectorFromArray([text], new Utf8()) })
  const { valid } = await (await embedStep(step, context)).process(part('a').concat(part('b')))
  expect(valid.numRows).toBe(2)
  expect(valid.getChild('embedding')!.get(1).length).toBe(localEmbedder.dimension)
})

test('a column that cannot be embedded and an unknown embedder are refused by name', async () => {
  const run = async (text: string, into = 'embedding') =>
    (await embedStep(embed('vectors', { text, into, embedder: 'local' }), context)).process(
      new Table({ id: vectorFromArray([1n], new Int64()), overview: vectorFromArray(['a'], new Utf8()) }),
    )
  await expect(run('plot')).rejects.toMatchObject({
    code: 'STEP_FAILED',
    message: expect.stringContaining('no column plot'),
  })
  await expect(run('id')).rejects.toMatchObject({ code: 'STEP_FAILED', message: expect.stringContaining('not text') })
  await expect(run('overview', 'id')).rejects.toMatchObject({ message: expect.stringContaining('overwrite column id') })
  await expect(embedStep(embed('v', { text: 't', into: 'e', embedder: 'remote' }), context)).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    message: 'embedder not found: remote (use one of: default, local)',
  })
})
