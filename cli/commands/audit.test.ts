import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { entryKey, printLogEntry } from '../../connectors/delta/log-entry.ts'
import { creation } from '../../connectors/delta/tables.testing.ts'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { platformPipelines } from '../pipelines.ts'
import { audit } from './audit.ts'

const data = testData()
const lake = join(data.config.dataDir, 'lake')
const whole = join(data.config.dataDir, 'whole')
afterAll(() => data.remove())

const table = 'bronze/movies'
const records = 24

/** Twelve commits of a record from each of two partitions, one of them damaged: enough for a log checkpoint. */
beforeAll(async () => {
  const events = Array.from({ length: records - 1 }, (_, i) => movieEvent(i + 1, `Title ${i}`))
  await data.send('tmdb.movies', ...events, 'nothing that parses')
  const bronze = (await platformPipelines()).find(({ name }) => name === 'bronze-movies')!
  await data.run({ ...bronze, limits: { ...bronze.limits, maxRecords: 2 } }, 'silver-movies')
  await cp(lake, whole, { recursive: true })
})

beforeEach(async () => {
  rmSync(lake, { recursive: true })
  await cp(whole, lake, { recursive: true })
})

const run = (options = {}, name = table) => printed(() => audit(data.context({ arguments: [name], options })))
const runJson = (options = {}, name = table) =>
  printedJson(() => audit(data.context({ arguments: [name], options, json: true })))

interface Span {
  readonly start: number
  readonly end: number
}

/** Changes the ranges that a log entry speaks of; returns what the first of them was. */
function tamper(version: bigint, change: (range: Span) => Span): Span & { readonly partition: string } {
  const path = join(lake, entryKey(table, version))
  const lines = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const { ranges } = lines.find((line) => 'commitInfo' in line).commitInfo.millrace
  const [partition, [start, end]] = Object.entries(ranges)[0] as [string, [string, string]]
  const was = { start: Number(start), end: Number(end) }
  const is = change(was)
  ranges[partition] = [String(is.start), String(is.end)]
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return { ...was, partition }
}

test('a table as pipelines wrote it is clean, and every record of the log is a row or a dead letter', async () => {
  const { code, lines } = await run({ rows: true })
  expect(code).toBe(0)
  expect(lines[0]).toMatch(/^pipeline +source partition +from +to +ranges +rows +findings$/)
  expect(lines[2]).toMatch(/^bronze-movies +tmdb\.movies\/0 +0 +\d+ +\d+ +\d+ +0$/)
  expect(lines.at(-1)).toMatch(/^bronze\/movies from version 0 to \d+: 0 findings$/)
  const rows = async (name: string) =>
    (await runJson({ rows: true, pipeline: 'bronze-movies' }, name)).rows.reduce(
      (sum, row) => sum + Number(row.rows),
      0,
    )
  expect(await rows('bronze/movies')).toBe(records - 1)
  expect(await rows('dead_letters/movies')).toBe(1)
})

test('without reading files, rows are told as far as the log tells them apart', async () => {
  const { rows } = await runJson()
  expect(rows[0]).toMatchObject({ type: 'partition', pipeline: 'bronze-movies', from: 0, fromVersion: 0, rows: null })
  const { lines } = await run()
  expect(lines.at(-2)).toMatch(/^bronze-movies: 23 rows in \d+ commits, .*together \(--rows counts them by offset\)$/)
  const silver = await runJson({}, 'silver/movies')
  expect(silver.rows).toMatchObject([{ pipeline: 'silver-movies', rows: 23, commitRows: 23, findings: 0 }])
})

test('a range that was made to begin later is a gap, and with the files its row is outside', async () => {
  const { start, end, partition } = tamper(3n, ({ end }) => ({ start: end, end }))
  const { code, lines } = await run()
  expect(code).toBe(1)
  expect(lines).toContain(`gap: bronze-movies ${partition} [${start}, ${end}) versions 2, 3: no commit covered it`)
  expect(lines.at(-1)).toMatch(/: 1 finding$/)
  const { code: sameCode, rows } = await runJson({ rows: true })
  expect(sameCode).toBe(1)
  expect(rows.filter(({ type }) => type === 'finding')).toMatchObject([
    { kind: 'gap', pipeline: 'bronze-movies', sourcePartition: partition, versions: [2, 3], start, end },
    { kind: 'row-outside', sourcePartition: partition, start, end },
  ])
  expect(rows.find(({ sourcePartition }) => sourcePartition === partition)).toMatchObject({ findings: 2 })
})

test('a range that was made to begin earlier, or to end elsewhere, is told by name', async () => {
  const overlap = tamper(3n, ({ start, end }) => ({ start: start - 1, end }))
  const moved = tamper(5n, ({ start, end }) => ({ start, end: end + 1 }))
  const { code, rows } = await runJson({ pipeline: 'bronze-movies' })
  expect(code).toBe(1)
  expect(rows.filter(({ type }) => type === 'finding')).toMatchObject([
    {
      kind: 'overlap',
      sourcePartition: overlap.partition,
      versions: [2, 3],
      start: overlap.start - 1,
      end: overlap.start,
    },
    { kind: 'txn-mismatch', sourcePartition: moved.partition, versions: [5], start: moved.end, end: moved.end + 1 },
    { kind: 'overlap', sourcePartition: moved.partition, versions: [5, 6], start: moved.end, end: moved.end + 1 },
  ])
})

test('of a log that was cleaned up the rest is proven, and it is said from where on', async () => {
  for (const version of [0n, 1n, 2n, 3n]) rmSync(join(lake, entryKey(table, version)))
  const { code, lines } = await run({ rows: true })
  expect(code).toBe(0)
  expect(lines.at(-1)).toMatch(/^bronze\/movies from version 4 \(older log entries are gone\) to \d+: 0 findings$/)
  expect(lines[2]).toMatch(/^bronze-movies +tmdb\.movies\/0 +4 /)
})

test('a log entry that is gone from between others is told, and what it covered', async () => {
  rmSync(join(lake, entryKey(table, 7n)))
  const { code, lines } = await run()
  expect(code).toBe(1)
  expect(lines).toContain('missing-entry: [7, 8) versions 6, 8: log entries between others are gone')
  expect(lines.filter((line) => line.startsWith('gap: bronze-movies tmdb.movies/'))).toHaveLength(2)
})

test('a table that no pipeline wrote has nothing to audit', async () => {
  const path = join(lake, entryKey('theirs', 0n))
  await cp(join(lake, table, '_delta_log'), join(lake, 'theirs', '_delta_log'), { recursive: true })
  for (const name of readdirSync(join(path, '..'))) rmSync(join(path, '..', name))
  writeFileSync(path, printLogEntry(creation()))
  for (const options of [{}, { rows: true }, { pipeline: 'bronze-movies' }])
    expect(await run(options, 'theirs')).toEqual({
      code: 0,
      lines: ['table theirs has no commit of a pipeline from version 0 to 0'],
    })
  expect(await runJson({}, 'theirs')).toEqual({ code: 0, rows: [] })
})

test('what does not exist or cannot be audited is answered with what does', async () => {
  await expect(run({}, 'bronze/movie')).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
  await expect(run({ pipeline: 'bronze' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: ['--pipeline: the log of bronze/movies has no commit of "bronze" (it has of: bronze-movies)'],
  })
  await expect(run({ rows: true }, 'silver/movies')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: [expect.stringMatching(/^--rows: the rows of silver\/movies .*: it has no column topic \(string\)/)],
  })
})
