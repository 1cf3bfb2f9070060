import { expect, test } from 'vitest'
import { withKeptQueries } from './kept-queries.ts'
import { localEmbedder } from './local.ts'

function counted() {
  const embedded: string[] = []
  const embedder = withKeptQueries({
    ...localEmbedder,
    embedQuery: async (text) => {
      embedded.push(text)
      return localEmbedder.embedQuery(text)
    },
  })
  return { embedder, embedded }
}

test('a question that is put again is not embedded again, and has the same vector', async () => {
  const { embedder, embedded } = counted()
  const first = await embedder.embedQuery('a storm')
  expect(await embedder.embedQuery('a storm')).toEqual(first)
  expect(await embedder.embedQuery('a calm')).not.toEqual(first)
  expect(embedded).toEqual(['a storm', 'a calm'])
})

test('a thousand questions are kept, those that were put last', async () => {
  const { embedder, embedded } = counted()
  for (let i = 0; i < 1_000; i += 1) await embedder.embedQuery(`question ${i}`)
  await embedder.embedQuery('question 0')
  await embedder.embedQuery('one more')
  await embedder.embedQuery('question 0')
  await embedder.embedQuery('question 1')
  expect(embedded.slice(1_000)).toEqual(['one more', 'question 1'])
})
