import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { entryKey } from '../../connectors/delta/log-entry.ts'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { lint } from './lint.ts'

const data = testData()
afterAll(() => data.remove())
beforeAll(async () => {
  for (const [id, title] of ['Heat', 'Ronin', 'Far'].entries()) {
    await data.send('tmdb.movies', movieEvent(id + 1, title))
    await data.run('bronze-movies', 'silver-movies')
  }
})

const table = 'bronze/movies'
const fileOf = (version: bigint, of = table) => join(data.config.dataDir, 'lake', entryKey(of, version))
const run = (name = table) => printed(() => lint(data.context({ arguments: [name] })))

test('nothing is found in tables that we wrote', async () => {
  expect(await run()).toEqual({ code: 0, lines: ['bronze/movies: 0 errors, 0 warnings'] })
  expect(await printedJson(() => lint(data.context({ arguments: ['silver/movies'], json: true })))).toEqual({
    code: 0,
    rows: [],
  })
})

test('findings are printed with their rule, version and place in the protocol, and make the exit code 1', async () => {
  const entry = readFileSync(fileOf(2n), 'utf8')
  writeFileSync(fileOf(2n), entry.replace('\\"numRecords\\":1', '\\"numRecords\\":-1'))
  try {
    const { code, lines } = await run()
    expect(code).toBe(1)
    expect(lines.at(0)).toMatch(
      /^error: stats-malformed: version 2: .*numRecords is -1 \(PROTOCOL\.md, Per-file Statistics\)$/,
    )
    expect(lines.at(-1)).toBe('bronze/movies: 1 error, 0 warnings')
    const { rows } = await printedJson(() => lint(data.context({ arguments: [table], json: true })))
    expect(rows).toEqual([
      expect.objectContaining({
        table,
        rule: 'stats-malformed',
        severity: 'error',
        version: 2,
        file: entryKey(table, 2n),
      }),
    ])
  } finally {
    writeFileSync(fileOf(2n), entry)
  }
})

test('a table that no reader can read is looked through all the same', async () => {
  const entry = readFileSync(fileOf(1n, 'silver/movies'))
  rmSync(fileOf(1n, 'silver/movies'))
  try {
    expect(await run('silver/movies')).toMatchObject({
      code: 1,
      lines: [expect.stringContaining('log-gap'), expect.any(String)],
    })
  } finally {
    writeFileSync(fileOf(1n, 'silver/movies'), entry)
  }
})

test('warnings alone leave the exit code 0', async () => {
  const hint = join(data.config.dataDir, 'lake', table, '_delta_log/_last_checkpoint')
  writeFileSync(hint, '')
  expect(await run()).toMatchObject({
    code: 0,
    lines: [
      expect.stringMatching(/^warning: hint-unreadable: _last_checkpoint: /),
      'bronze/movies: 0 errors, 1 warning',
    ],
  })
  rmSync(hint)
})

test('a table that is not there is named, with those that are', async () => {
  await expect(run('bronze/movie')).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: expect.stringContaining('bronze/movies'),
  })
})
