import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { check } from './check.ts'

const data = testData()
afterAll(() => data.remove())

const root = pathToFileURL(join(import.meta.dirname, '../..')).href

let files = 0

/** A definition file outside the repository, with everything imported that definitions are written with. */
function definition(body: string): string {
  const path = join(dirname(data.config.dataDir), 'definitions', `${files++}.ts`)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(
    path,
    `import { delta, kafka, olap } from '${root}/connectors/index.ts'
import { definePipeline, availableNow } from '${root}/engine/index.ts'
import { col, derive, eq, filter, int64, mapBatches, parseCritical, select } from '${root}/operators/index.ts'
const trigger = availableNow()
${body}`,
  )
  return path
}

async function problemsOf(...bodies: readonly string[]): Promise<string[]> {
  const { rows } = await printedJson(() => check(data.context({ arguments: bodies.map(definition), json: true })))
  return rows.flatMap(({ problems }) => problems as string[])
}

test('every pipeline of the platform is sound, which is told without any data', async () => {
  const { code, lines } = await printed(() => check(data.context()))
  expect(code).toBe(0)
  expect(lines.length).toBeGreaterThan(10)
  for (const line of lines) expect(line).toMatch(/^\S+ +ok$/)
})

test('a step that reads a column which is not there is found, by name', async () => {
  const problems = await problemsOf(
    `export default definePipeline({ name: 'a', source: kafka({ topic: 't' }), trigger,
      steps: [filter('big', eq(col('ofset'), 1))], sink: delta({ table: 'a', mode: 'append' }) })`,
  )
  expect(problems).toEqual([expect.stringMatching(/^step big: .*ofset/)])
})

test('columns are followed from one pipeline into the next, over tables that do not exist yet', async () => {
  const first = `export default definePipeline({ name: 'a', source: kafka({ topic: 't' }), trigger,
    steps: [parseCritical('p', { id: int64('$.id') })], sink: delta({ table: 'a', mode: 'append' }),
    deadLetters: delta({ table: 'dead_letters/a', mode: 'append' }) })`
  const second = (column: string) => `export default definePipeline({ name: 'b', source: delta({ table: 'a' }), trigger,
    steps: [select('s', { x: col('${column}') })], sink: delta({ table: 'b', mode: 'merge', key: ['x'], newer: ['x'] }) })`
  expect(await problemsOf(second('id'), first)).toEqual([])
  expect(await problemsOf(second('uid'), first)).toEqual([expect.stringMatching(/^step s: .*uid/)])
  expect(await problemsOf(second('id'))).toEqual([expect.stringMatching(/^source source: table a does not exist/)])
})

test('a sink that names a column which its step does not give is found', async () => {
  const problems = await problemsOf(
    `export default definePipeline({ name: 'a', source: delta({ table: 'bronze/movies' }), trigger,
      steps: [select('s', { id: col('id') })],
      sink: delta({ table: 'a', mode: 'merge', key: ['id'], newer: ['event_time'] }) })`,
    `export default definePipeline({ name: 'b', source: delta({ table: 'bronze/movies' }), trigger,
      steps: [select('s', { id: col('id') })],
      sink: olap({ tables: { t: { from: 's', key: ['key'], owner: { id: 'owner' } } }, owners: 's' }) })`,
  )
  expect(problems).toEqual([
    'sink table:a: the merge needs column event_time, which step s does not give (it gives: id)',
    'sink store:olap: table t needs column key, which step s does not give (it gives: id)',
    'sink store:olap: table t needs column owner, which step s does not give (it gives: id)',
  ])
})

test('a table that cannot be made as its sink asks for is found, with all that is wrong', async () => {
  const problems = await problemsOf(
    `export default definePipeline({ name: 'a', source: delta({ table: 'bronze/movies' }), trigger,
      steps: [select('s', { id: col('id'), label: col('label'), headers: col('headers') })],
      sink: delta({ table: 'a', mode: 'overwrite', partitionBy: ['year', 'headers'], replaceWhere: { label: 'x' },
        notNull: ['uid'], check: { strange: 'soundex(label) = 1', fine: "label <> ''" } }) })`,
  )
  expect(problems).toEqual([
    'sink table:a: partitionBy: there is no column year (the columns are id, label, headers)',
    expect.stringMatching(
      /^sink table:a: partitionBy: headers is array<.*> \(choose a column that holds single values\)$/,
    ),
    'sink table:a: notNull: there is no column uid (the columns are id, label, headers)',
    'sink table:a: check strange: soundex(label) = 1: the function soundex of string is not supported (write it in other words)',
    'sink table:a: replaceWhere: label is no partition column (they are year, headers)',
  ])
})

test('clauses of a merge are held against the columns of its step and of the table', async () => {
  const write = `sink: delta({ table: 'a', mode: 'merge', key: ['id'], newer: ['n']`
  const problems = await problemsOf(
    `export default definePipeline({ name: 'a', source: kafka({ topic: 't' }), trigger,
      steps: [parseCritical('p', { id: int64('$.id'), n: int64('$.n'), old: int64('$.old') })], ${write} }),
      deadLetters: delta({ table: 'dead_letters/a', mode: 'append' }) })`,
    `export default definePipeline({ name: 'b', source: kafka({ topic: 't' }), trigger,
      steps: [parseCritical('p', { id: int64('$.id'), n: int64('$.n') })], ${write},
        whenMatched: [{ if: 'target.old > source.n', then: 'delete' }, { if: 'source.old > 1', then: 'update' }],
        whenNotMatchedBySource: [{ if: 'target.gone', then: 'insert' }] }), deadLetters: delta({ table: 'dead_letters/b', mode: 'append' }) })`,
  )
  expect(problems).toEqual([
    expect.stringMatching(
      /^sink table:a: whenMatched\[1\]: if: source.old > 1: there is no column old in source \(.*n\)$/,
    ),
    'sink table:a: whenNotMatchedBySource[0]: then: "insert" is none of update, delete, keep',
    expect.stringMatching(
      /^sink table:a: whenNotMatchedBySource\[0\]: if: target.gone: there is no column gone in target/,
    ),
  ])
})

test('a column that would change its type in a table that exists is found', async () => {
  await data.send('tmdb.movies', movieEvent(1, 'Heat'))
  await data.run('bronze-movies')
  const problems = await problemsOf(
    `export default definePipeline({ name: 'a', source: kafka({ topic: 't' }), trigger,
      steps: [derive('d', { label: eq(col('offset'), 1) })], sink: delta({ table: 'bronze/movies', mode: 'append' }) })`,
  )
  expect(problems).toEqual([expect.stringMatching(/^sink table:bronze\/movies: .*label.*string.*boolean/)])
})

test('a module of the author that cannot be loaded is found', async () => {
  const problems = await problemsOf(
    `export default definePipeline({ name: 'a', source: kafka({ topic: 't' }), trigger,
      steps: [mapBatches('shout', new URL('./nowhere.ts', import.meta.url))], sink: delta({ table: 'a', mode: 'append' }) })`,
  )
  expect(problems).toEqual([expect.stringMatching(/^step shout.*could not load.*nowhere\.ts/)])
})

test('problems are lines with the name of their pipeline, and the exit code 1', async () => {
  const path = definition(
    `export default definePipeline({ name: 'lonely', source: delta({ table: 'none' }), trigger,
      steps: [select('s', { id: col('id') })], sink: delta({ table: 'a', mode: 'append' }) })`,
  )
  const { code, lines } = await printed(() => check(data.context({ arguments: [path, 'bronze-movies'] })))
  expect(code).toBe(1)
  expect(lines).toEqual([expect.stringMatching(/^lonely {9}source source: table none/), 'bronze-movies  ok'])
})

test('a definition that is not valid at all is a usage error with every problem', async () => {
  const path = definition(
    `export default definePipeline({ name: 'Bad Name', source: kafka({ topic: 't' }),
      steps: [filter('f', col('x'), { from: 'nowhere' })], sink: delta({ table: 'a', mode: 'append' }) })`,
  )
  await expect(check(data.context({ arguments: [path, 'unknown'] }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: expect.arrayContaining([
      expect.stringContaining('name: "Bad Name"'),
      expect.stringContaining('step f: reads nowhere'),
      expect.stringContaining('unknown: no such pipeline (there are: bronze-movies'),
    ]),
  })
})

const made = (id: string) => `steps: [select('s', { ${id}: col('offset') })]`
const refused: readonly (readonly [what: string, body: string, problem: RegExp])[] = [
  [
    'a column that no table can have',
    `export default definePipeline({ name: 'a', source: kafka({ topic: 't' }), trigger, ${made("'a;--'")},
      sink: delta({ table: 'a', mode: 'append' }) })`,
    /^sink table:a: column name "a;--" holds one of .* \(rename it\)$/,
  ],
  [
    'a column of the change feed in a table that keeps one',
    `export default definePipeline({ name: 'a', source: kafka({ topic: 't' }), trigger, ${made('_change_type')},
      sink: delta({ table: 'a', mode: 'append', changeFeed: true }) })`,
    /^sink table:a: column _change_type: change feeds have one of that name/,
  ],
  [
    'what is added to a table whose rows change',
    `export default definePipeline({ name: 'a', source: delta({ table: 'silver/movies' }), trigger, ${made('id').replace('offset', 'id')},
      sink: delta({ table: 'a', mode: 'append' }) })`,
    /^source source: reads what is added to table silver\/movies, in which pipeline silver-movies changes .*changeFeed: true/,
  ],
  [
    'a kind of source that nobody serves',
    `export default definePipeline({ name: 'a', source: { kind: 'pulsar', shape: 'table', reads: 'pulsar:x', options: {} }, trigger,
      ${made('id')}, sink: delta({ table: 'a', mode: 'append' }) })`,
    /^source source: no connector serves the source kind "pulsar"/,
  ],
  [
    'a kind of sink that nobody serves',
    `export default definePipeline({ name: 'a', source: kafka({ topic: 't' }), trigger, ${made('id')},
      sink: { kind: 'mongo', writes: 'mongo:x', inputs: { rows: 's' }, options: {} } })`,
    /^sink mongo:x: no connector serves the sink kind "mongo"/,
  ],
  [
    'a table inside another of the platform',
    `export default definePipeline({ name: 'a', source: delta({ table: 'bronze/movies' }), trigger, ${made('id').replace('offset', 'id')},
      sink: delta({ table: 'bronze/movies/x', mode: 'append' }) })`,
    /^sink table:bronze\/movies\/x: table bronze\/movies\/x would lie inside table bronze\/movies,/,
  ],
  [
    'a topic that the embedded log does not take',
    `export default definePipeline({ name: 'a', source: kafka({ topic: '_t' }), trigger, ${made('id')},
      sink: delta({ table: 'a', mode: 'append' }) })`,
    /^source source: topic _t: the embedded log takes no name that begins with _/,
  ],
]

test.each(refused)('%s is found, which a run would refuse', async (_, body, problem) => {
  expect(await problemsOf(body)).toEqual([expect.stringMatching(problem)])
})

test('tables of two pipelines, of which one lies in the other, are found in both', async () => {
  const into = (name: string, table: string) =>
    `export default definePipeline({ name: '${name}', source: kafka({ topic: 't' }), trigger, ${made('id')},
      sink: delta({ table: '${table}', mode: 'append' }) })`
  const inside = expect.stringMatching(
    /: table n\/m\/x would lie inside table n\/m, .*\(give one of them another path\)$/,
  )
  expect(await problemsOf(into('a', 'n/m'), into('b', 'n/m/x'))).toEqual([inside, inside])
  expect(await problemsOf(into('a', 'n/m'), into('b', 'n/mx'))).toEqual([])
})

const misspelt: readonly (readonly [what: string, source: string, sink: string, problem: RegExp])[] = [
  ['a topic', `kafka({ topic: '../x' })`, '', /kafka: topic: must be the name of a topic .*, not "\.\.\/x"/],
  [
    'an option',
    `kafka({ topic: 't', startfrom: 'latest' })`,
    '',
    /kafka: startfrom: is unknown \(there are: startFrom,/,
  ],
  ['a feed', `delta({ table: 'b', changefeed: true })`, '', /delta: changefeed: is unknown \(there are: changeFeed,/],
  ['one topic twice', `kafka({ topics: ['t', 't'] })`, '', /kafka: topics: "t" stands there twice/],
  ['a pattern', `kafka({ pattern: '(' })`, '', /kafka: pattern: .*\(give a regular expression\)/],
  [
    'a retention',
    '',
    `delta({ table: 'a', mode: 'append', retention: 'soon' })`,
    /delta: retention: must be a number with its unit/,
  ],
  [
    'a limit',
    '',
    `delta({ table: 'a', mode: 'append', compactAfter: -1 })`,
    /delta: compactAfter: must be a whole number from 0, not -1/,
  ],
  [
    'a mode',
    '',
    `delta({ table: 'a', mode: 'apend' })`,
    /delta: mode: must be append, merge or overwrite, not "apend"/,
  ],
  ['a table', '', `delta({ table: 'a/_delta_log', mode: 'append' })`, /delta: table: must be the path of a table/],
  [
    'a loop',
    `kafka({ pattern: 'o.*' })`,
    `kafka({ mode: 'append', topic: 'out' })`,
    /sink topic:out: the pipeline also reads it/,
  ],
]

test.each(misspelt)('%s that makes no sense is a usage error of one line', async (_, source, sink, problem) => {
  const path = definition(
    `export default definePipeline({ name: 'a', source: ${source || `kafka({ topic: 't' })`}, trigger, ${made('id')},
      sink: ${sink || `delta({ table: 'a', mode: 'append' })`} })`,
  )
  const problems = [expect.stringMatching(problem)]
  await expect(check(data.context({ arguments: [path] }))).rejects.toMatchObject({ code: 'CONFIG_INVALID', problems })
})
