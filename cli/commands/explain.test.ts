import { existsSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { printed, printedJson, testData } from '../data-dir.testing.ts'
import { explain } from './explain.ts'

const data = testData()
afterAll(() => data.remove())

test('a pipeline is told in the order in which a batch passes it', async () => {
  const { code, lines } = await printed(() => explain(data.context({ arguments: ['bronze-movies'] })))
  expect(code).toBe(0)
  const headings = lines.filter((line, i) => line !== '' && (i === 0 || lines[i - 1] === ''))
  expect(headings).toEqual([
    'pipeline bronze-movies',
    'sources',
    'stage 1: columns (Arrow columns, in worker threads)',
    'sinks, in the order of their commits',
  ])
  expect(lines).toContain('  source  topic:tmdb.movies (records)  startFrom earliest')
  expect(lines).toContain('  trigger      every 5 s')
  expect(lines.slice(-3)).toEqual([
    '  1. table:dead_letters/movies  exactly-once  from every rejected row  mode append',
    '  2. table:bronze/movies  exactly-once, primary  from parse  mode append',
    '',
  ])
})

test('relational stages show their SQL when asked to, although the tables that they read do not exist yet', async () => {
  const brief = await printed(() => explain(data.context({ arguments: ['silver-movies'] })))
  expect(brief.lines.join('\n')).not.toContain('SELECT')
  const { lines } = await printed(() => explain(data.context({ arguments: ['silver-movies'], options: { sql: true } })))
  const text = lines.join('\n')
  expect(text).toMatch(/ {2}latest +latest-by-key +from normalised/)
  expect(text).toMatch(/-- row\n[\s\S]*FROM <source>[\s\S]*row_number\(\) OVER/)
  expect(text).toContain('key id  newer event_time')
  expect(existsSync(data.config.dataDir)).toBe(false)
})

test('scripts get the definition, the stages with their SQL, and what each sink promises', async () => {
  const { rows } = await printedJson(() =>
    explain(data.context({ arguments: ['bronze-movies', 'vectors-movies'], json: true })),
  )
  expect(rows.map(({ name }) => name)).toEqual(['bronze-movies', 'vectors-movies'])
  expect(rows[0]).toMatchObject({
    fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
    trigger: { kind: 'every', ms: 5000 },
    delivery: [
      { writes: 'table:dead_letters/movies', delivery: 'exactly-once' },
      { writes: 'table:bronze/movies', delivery: 'exactly-once' },
    ],
    problems: [],
  })
  const stages = rows[1]!.stages as { executor: string; sql: string | null }[]
  expect(stages.map(({ executor }) => executor)).toEqual(['relational', 'columns'])
  expect(stages[0]!.sql).toContain('SELECT')
  expect(stages[1]!.sql).toBeNull()
})

test('a name that is no pipeline is answered with those that are', async () => {
  await expect(explain(data.context({ arguments: ['bronze'] }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('bronze: no such pipeline (there are: bronze-movies'),
  })
})
