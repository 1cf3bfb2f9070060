import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { status } from './status.ts'

const data = testData()
afterAll(() => data.remove())

beforeAll(async () => {
  await data.send('tmdb.movies', movieEvent(1, 'Heat'), movieEvent(2, 'Ronin'), 'broken', '{"id":3}')
  await data.run('bronze-movies', 'silver-movies', 'olap-movies', 'vectors-movies')
  await data.send('tmdb.movies', movieEvent(4, 'Collateral'))
})

test('every pipeline shows the next record to read, its lag and its last commit', async () => {
  const { code, rows } = await printedJson(() => status(data.context({ json: true })))
  expect(code).toBe(0)
  const pipelines = new Map(rows.filter((row) => row.section === 'pipelines').map((row) => [row.pipeline, row]))
  const bronze = pipelines.get('bronze-movies')
  expect(Object.keys(bronze?.position as object).sort()).toEqual(['tmdb.movies/0', 'tmdb.movies/1'])
  const next = Object.values(bronze?.position as Record<string, number>)
  expect(next.reduce((sum, offset) => sum + offset, 0)).toBe(4)
  expect(bronze).toMatchObject({ lagRecords: 1, version: 0, lastCommit: expect.stringMatching(/^20\d\d-/) })
  expect(pipelines.get('silver-movies')).toMatchObject({ lagRecords: 0, version: 0 })
  expect(pipelines.get('olap-movies')).toMatchObject({ lagRecords: 0, version: null })
  expect(pipelines.get('graph-movies')).toMatchObject({ position: {}, lagRecords: 2 })
  expect(pipelines.get('bronze-people')).toMatchObject({ position: {}, lagRecords: 0, lastCommit: null })
})

test('tables show what their logs tell, dead letters why they were rejected, stores what they hold', async () => {
  const { rows } = await printedJson(() => status(data.context({ json: true })))
  const of = (section: string) => rows.filter((row) => row.section === section)
  expect(
    of('tables').map(({ table, version, rows, files, operation }) => [table, version, rows, files, operation]),
  ).toEqual([
    ['bronze/movies', 0, 2, 1, 'WRITE'],
    ['dead_letters/movies', 3, 2, 1, 'WRITE'],
    ['silver/movies', 0, 2, 1, 'MERGE'],
  ])
  expect(of('dead letters').map(({ code, records }) => [code, records])).toEqual([
    ['MISSING_FIELD', 1],
    ['NOT_JSON', 1],
  ])
  expect(of('stores')).toContainEqual({ section: 'stores', store: 'olap', name: 'movies', what: 'rows', count: 2 })
  expect(of('stores')).toContainEqual({
    section: 'stores',
    store: 'vectors',
    name: 'movies',
    what: 'vectors',
    count: 2,
  })
})

test('every store pipeline shows what it wrote since its store began, and what it did not have to', async () => {
  const { rows } = await printedJson(() => status(data.context({ json: true })))
  const writes = new Map(rows.filter(({ section }) => section === 'store writes').map((row) => [row.pipeline, row]))
  expect([...writes.keys()]).toEqual(['olap-movies', 'vectors-movies'])
  expect(writes.get('olap-movies')).toMatchObject({
    written: 2,
    skipped: 0,
    counts: { inserted: 2, 'movies.inserted': 2 },
  })
  expect(writes.get('vectors-movies')).toMatchObject({ written: 2, skipped: 0, counts: { inserted: 2, updated: 0 } })
})

test('people get one aligned table per section', async () => {
  const { lines } = await printed(() => status(data.context()))
  expect(lines.filter((_, i) => i === 0 || lines[i - 1] === '').filter((line) => line !== '')).toEqual([
    'pipelines',
    'tables',
    'dead letters',
    'store writes',
    'stores',
  ])
  expect(lines.find((line) => line.startsWith('bronze-movies'))).toMatch(/^bronze-movies +0:\d 1:\d +1 +0 +20/)
  expect(lines.find((line) => line.startsWith('silver-movies'))).toMatch(/version 1 +0 +0 +20/)
})

test('a store that another process holds is busy, which is no failure', async () => {
  const holder = await holdStore(join(data.config.dataDir, 'stores', 'olap.duckdb'))
  try {
    const { code, rows } = await printedJson(() => status(data.context({ json: true })))
    expect(code).toBe(0)
    expect(rows).toContainEqual({ section: 'stores', store: 'olap', name: 'busy', what: null, count: null })
    expect(rows).toContainEqual({ section: 'pipelines', pipeline: 'olap-movies', state: 'busy' })
    const problem = rows.find((row) => row.section === 'problems' && row.of === 'store olap')
    expect(problem).toMatchObject({ code: 'STORE_BUSY', message: expect.stringContaining('is held by process') })
  } finally {
    holder.kill('SIGKILL')
  }
})

async function holdStore(path: string) {
  const script = `
    import { DuckDBInstance } from '@duckdb/node-api'
    const instance = await DuckDBInstance.create(${JSON.stringify(path)})
    console.log('held')
    setInterval(() => instance, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname })
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    child.stderr.once('data', (bytes) => reject(new Error(String(bytes))))
  })
  return child
}

test('a data directory that is not there is named', async () => {
  const context = data.context({ config: { ...data.config, dataDir: '/nonexistent/data' } })
  await expect(status(context)).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: expect.stringContaining('/nonexistent/data'),
  })
})
