import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ModelServer, modelServer } from '../../operators/model-server.testing.ts'
import { parseCommand } from '../args.ts'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { verbs } from '../verbs.ts'
import { ask } from './ask.ts'

const data = testData()
let server: ModelServer
afterAll(async () => {
  await server.close()
  data.remove()
})

beforeAll(async () => {
  server = await modelServer()
  await data.send(
    'tmdb.movies',
    movieEvent(1, 'Heat', { overview: 'A detective hunts a thief.\u001b[31m', release_date: '1995-12-15' }),
    movieEvent(2, 'Contact', { overview: 'An astronomer hears a message.', release_date: '1997-07-11' }),
  )
  await data.run('bronze-movies', 'silver-movies', 'vectors-movies')
})

function asking(text: string, options: Readonly<Record<string, string | number>> = {}, model = true, json = false) {
  const context = data.context({ arguments: [text], options, json })
  const chat = model ? { url: server.url, model: 'm', apiKey: null } : null
  return () => ask({ ...context, config: { ...context.config, chat } })
}

test('the answer is printed with the passages that it cites, and with no other', async () => {
  server.reply = () => 'A detective does [1].\u001b[2J'
  const { code, lines } = await printed(asking('who hunts a thief?'))
  expect(code).toBe(0)
  expect(lines.join('\n').split('\n').slice(0, 4)).toEqual([
    'A detective does [1]. [2J', // what steers terminals is left out
    '',
    '[1] Heat (1995), movies 1',
    '    Heat (1995)',
  ])
  expect(lines.join('\n')).not.toContain('Contact')
})

test('an answer that proves nothing is printed with a warning', async () => {
  server.reply = () => 'Everybody does [7].'
  expect((await printed(asking('who hunts a thief?'))).lines.join('\n')).toMatch(
    /warning: the answer cites \[7\], which no passage has: do not rely on it$/,
  )
  server.reply = () => 'Everybody does.'
  expect((await printed(asking('who hunts a thief?'))).lines.join('\n')).toMatch(/warning: the answer cites no passage/)
})

test('without a model the passages are printed, and it is said that nobody answers', async () => {
  const { code, lines } = await printed(asking('who hunts a thief?', { top: 1 }, false))
  expect(code).toBe(0)
  expect(lines.join('\n')).toMatch(/^no model answers here \(MILLRACE_CHAT_URL .*\n\n\[1\] Heat \(1995\), movies 1\n/)
  expect(lines.join('\n')).not.toContain('Contact')
})

test('scripts get question, answer, citations and passages as one document', async () => {
  server.reply = () => 'A detective does [1].'
  const { rows } = await printedJson(asking('who hunts a thief?', { year: '1990-1996' }, true, true))
  expect(rows).toEqual([
    {
      question: 'who hunts a thief?',
      answer: 'A detective does [1].',
      citations: [1],
      unknownCitations: [],
      passages: [expect.objectContaining({ number: 1, type: 'movies', id: '1', title: 'Heat', year: 1995 })],
    },
  ])
})

test('every wrong option is told at once, and a question without a word', async () => {
  const words = ['ask', 'why?', '--year', 'last', '--top', '0']
  expect(() => parseCommand(words, verbs)).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      problems: [
        '--year: must be a year or a span of years (1999, 1990-1999, 1990-), not "last"',
        '--top: must be a whole number from 1 to 50, not "0"',
      ],
    }),
  )
  await expect(asking('?')()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: ['ask: the text has no letter and no digit to search for'],
  })
})
