import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Float64, Int64, Table, vectorFromArray } from 'apache-arrow'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeParquet } from '../../engine/batch/parquet.ts'
import { systemIds } from '../../engine/clock.ts'
import type { CommitOutcome, Sink } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import type { MergeMode, TableSinkOptions } from './sink.ts'
import { rowsOf } from './statistics.ts'
import { liveFiles } from './tables.testing.ts'

let lake: TestLake
let tables = 0
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const byVersion: MergeMode = { mode: 'merge', key: ['k'], newer: ['v'] }

/** Commits queries one after another, each as the next range. */
function merger(path: string, write: MergeMode, changeFeed = false): (query: string | null) => Promise<CommitOutcome> {
  const sink: Sink = lake.sink(path, { write, changeFeed, columns: [{ name: 'k', type: 'long' }] })
  let next = 0n
  return async (query) => {
    const files = query === null ? [] : await lake.stage(query)
    return sink.commit(batch(next, ++next, files))
  }
}

function written(outcome: CommitOutcome) {
  if (outcome.kind !== 'committed') throw new Error(`not committed: ${JSON.stringify(outcome)}`)
  return outcome.written
}

test('new keys are inserted, newer rows replace, rows that are not newer are counted and left out', async () => {
  const merge = merger('upsert', byVersion)
  await merge(`SELECT * FROM (VALUES (1::BIGINT, 5, 'a'), (2, 5, 'b'), (3, 5, 'c')) t(k, v, p)`)
  const outcome = await merge(
    `SELECT * FROM (VALUES (1::BIGINT, 6, 'A'), (2, 5, 'B'), (3, 4, 'C'), (4, 1, 'd')) t(k, v, p)`,
  )
  expect(written(outcome)).toEqual({ inserted: 1, updated: 1, deleted: 0, stale: 2, filesRewritten: 1 })
  expect(await lake.rows('upsert', `list(k || p ORDER BY k) AS all`)).toEqual([{ all: ['1A', '2b', '3c', '4d'] }])
})

test('several rows of one key in a batch: the newest is taken, whatever their order', async () => {
  for (const order of ['ASC', 'DESC']) {
    const merge = merger(`dupes${order}`, { mode: 'merge', key: ['k'], newer: ['v', 'w'] })
    const rows = `(VALUES (1::BIGINT, 5, NULL), (1, 5, 2), (1, NULL, 9), (1, 5, 1)) t(k, v, w)`
    expect(written(await merge(`SELECT * FROM ${rows} ORDER BY w ${order}`))).toMatchObject({ inserted: 1, stale: 3 })
    expect(await lake.rows(`dupes${order}`, 'k, v, w')).toEqual([{ k: 1n, v: 5, w: 2 }])
  }
})

test('a version column that is null is older than any other and not newer than itself', async () => {
  const merge = merger('nulls', { mode: 'merge', key: ['k'], newer: ['v', 'w'] })
  await merge(`SELECT 1::BIGINT AS k, NULL::INTEGER AS v, NULL::INTEGER AS w, 'a' AS p`)
  for (const [v, w, p, taken] of [
    ['NULL', 'NULL', 'b', 0],
    ['NULL', '1', 'c', 1],
    ['NULL', 'NULL', 'd', 0],
    ['0', 'NULL', 'e', 1],
    ['NULL', '9', 'f', 0],
    ['0', '-5', 'g', 1],
  ] as const)
    expect([
      p,
      written(await merge(`SELECT 1::BIGINT AS k, ${v}::INTEGER AS v, ${w}::INTEGER AS w, '${p}' AS p`)).updated,
    ]).toEqual([p, taken])
  expect(await lake.rows('nulls', 'p')).toEqual([{ p: 'g' }])
})

test('a batch in which nothing is newer moves the position and rewrites no file', async () => {
  const merge = merger('same', byVersion)
  await merge('SELECT 1::BIGINT AS k, 5 AS v')
  const before = await lake.table('same').snapshot()
  expect(written(await merge('SELECT 1::BIGINT AS k, 5 AS v'))).toEqual({
    inserted: 0,
    updated: 0,
    deleted: 0,
    stale: 1,
    filesRewritten: 0,
  })
  expect(written(await merge(null)).stale).toBe(0)
  const after = await lake.table('same').snapshot()
  expect([...(await after!.files()).keys()]).toEqual([...(await before!.files()).keys()])
  expect(after!.txns.get('p/s/0')?.version).toBe(3n)
})

test('keys past 2^53 that differ by one are two rows', async () => {
  const merge = merger('big', byVersion)
  await merge('SELECT * FROM (VALUES (9007199254740992, 1), (9007199254740993, 1)) t(k, v)')
  await merge('SELECT 9007199254740993 AS k, 2 AS v')
  expect(await lake.rows('big', 'list(k ORDER BY k) AS k, list(v ORDER BY k) AS v')).toEqual([
    { k: [2n ** 53n, 2n ** 53n + 1n], v: [1, 2] },
  ])
})

test('files that statistics rule out are not opened: the merge succeeds although they are gone', async () => {
  const merge = merger('pruned', byVersion, true)
  for (const from of [0, 100, 200])
    await merge(`SELECT range AS k, 1 AS v, 'x' AS p FROM range(${from}, ${from + 100})`)
  const before = await liveFiles(lake.table('pruned'))
  const [first, second, third] = [...before.values()].sort((a, b) => (a.stats! < b.stats! ? -1 : 1))
  await lake.store.delete(`pruned/${first!.path}`)
  await lake.store.delete(`pruned/${third!.path}`)
  expect(written(await merge(`SELECT 150::BIGINT AS k, 2 AS v, 'y' AS p`)).filesRewritten).toBe(1)
  const after = await liveFiles(lake.table('pruned'))
  expect([...before.keys()].filter((path) => !after.has(path))).toEqual([second!.path])
})

test('a tombstone is a row like any other; a physical delete takes the row away if it is newer', async () => {
  const merge = merger('gone', { ...byVersion, deleteWhen: 'gone' }, true)
  await merge('SELECT range AS k, 5 AS v, false AS gone, true AS deleted FROM range(4)')
  const outcome = await merge(
    'SELECT * FROM (VALUES (0::BIGINT, 6, true), (1, 5, true), (2, 6, NULL), (9, 6, true)) t(k, v, gone)',
  )
  expect(written(outcome)).toEqual({ inserted: 0, updated: 1, deleted: 1, stale: 2, filesRewritten: 1 })
  expect(await lake.rows('gone', 'k, deleted')).toEqual(
    expect.arrayContaining([
      { k: 1n, deleted: true },
      { k: 2n, deleted: null },
      { k: 3n, deleted: true },
    ]),
  )
  expect(written(await merge('SELECT range AS k, 9 AS v, true AS gone FROM range(4)')).deleted).toBe(3)
  expect(await lake.rows('gone', '*')).toEqual([])
  expect((await liveFiles(lake.table('gone'))).size).toBe(0)
})

test('the schema evolves in a merge: rows of before are null there, inside lists of structs too', async () => {
  const merge = merger('evolve', byVersion, true)
  await merge(`SELECT range AS k, 1 AS v, [{'name': 'n' || range}] AS people FROM range(3)`)
  await merge(`SELECT 1::BIGINT AS k, 2 AS v, [{'job': 'Editor', 'name': 'x'}] AS people, 'PG' AS rating`)
  await merge('SELECT 0::BIGINT AS k, 3 AS v')
  const rows = await lake.rows('evolve', 'k, v, people::JSON::VARCHAR AS people, rating')
  expect(rows.sort((a, b) => Number(a.k) - Number(b.k))).toEqual([
    { k: 0n, v: 3, people: null, rating: null },
    { k: 1n, v: 2, people: '[{"name":"x","job":"Editor"}]', rating: 'PG' },
    { k: 2n, v: 1, people: '[{"name":"n2","job":null}]', rating: null },
  ])
  await expect(merge(`SELECT 1::BIGINT AS k, 'x' AS v`)).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
})

test('rows without a key, or without the columns that a merge needs, are refused by name', async () => {
  const merge = merger('nokey', byVersion)
  await expect(merge('SELECT NULL::BIGINT AS k, 1 AS v')).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('1 rows to merge have no key (k;'),
  })
  expect(() => merger('x', { mode: 'merge', key: ['k'], newer: [] })).toThrow(/name both: key, newer/)
  await expect(merger('nocolumn', byVersion)('SELECT 1::BIGINT AS k')).rejects.toThrow('rows to merge lack v')
})

test('rows of one key that are equally new are told apart by their content, whatever its types', async () => {
  const rows = [`(1::BIGINT, 5, MAP {'a': [{'x': 1}]}, 'p')`, `(1, 5, MAP {'b': [{'x': 2}]}, 'q')`]
  const left = []
  for (const [i, values] of [rows, rows.toReversed()].entries()) {
    await merger(`ties${i}`, byVersion)(`SELECT * FROM (VALUES ${values.join(', ')}) t(k, v, m, p)`)
    left.push(await lake.rows(`ties${i}`, 'm::VARCHAR AS m, p'))
  }
  expect(left[0]).toHaveLength(1)
  expect(left[0]).toEqual(left[1])
})

test('pipelines that insert the same key at once leave one row, the newest', async () => {
  await merger('meet', byVersion)('SELECT 1000::BIGINT AS k, 1 AS v')
  const outcomes = await Promise.all(
    [4, 2, 3].map(async (v) => {
      const files = await lake.stage(`SELECT range AS k, ${v} AS v FROM range(5)`)
      return lake.sink('meet', { write: byVersion }).commit({ ...batch(0n, 1n, files), pipeline: `other${v}` })
    }),
  )
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['committed', 'committed', 'committed'])
  expect(await lake.rows('meet', 'list(k ORDER BY k) AS k, min(v) AS v')).toEqual([
    { k: [0n, 1n, 2n, 3n, 4n, 1000n], v: 1 },
  ])
  expect(await lake.rows('meet', 'DISTINCT v')).toHaveLength(2)
})

test('a merge leaves nothing behind but the files that the log names', async () => {
  const merge = merger('tidy', { ...byVersion, deleteWhen: 'gone' }, true)
  await merge('SELECT range AS k, 1 AS v, false AS gone FROM range(3)')
  await merge('SELECT range AS k, 2 AS v, true AS gone FROM range(3)')
  expect(readdirSync(join(lake.dir, 'staging')).filter((name) => name.startsWith('merge-'))).toEqual([])
  const keys: string[] = []
  for await (const { key } of lake.store.list('tidy/')) if (!key.includes('_delta_log')) keys.push(key)
  expect(keys).toHaveLength(2) // one data file, removed, and one of the change feed
})

test('names and values that mean something in SQL are only names and values', async () => {
  const hostile = `k"; DROP TABLE x; --`
  const merge = merger('hostile', { mode: 'merge', key: [hostile, `it's`], newer: ['select'] })
  await expect(merge(`SELECT 1::BIGINT AS "k""; DROP TABLE x; --", 'a' AS "it's", 1 AS "select"`)).rejects.toThrow(
    /column name/,
  )
  const allowed = merger('quoted', { mode: 'merge', key: [`k"'--`, `it's`], newer: ['select'] })
  await allowed(`SELECT 1::BIGINT AS "k""'--", 'a''"; --' AS "it's", 1 AS "select"`)
  expect(written(await allowed(`SELECT 1::BIGINT AS "k""'--", 'a''"; --' AS "it's", 2 AS "select"`)).updated).toBe(1)
})

test('a writer that comes in between is no loss: the merge is done again on what it left', async () => {
  await merger('between', byVersion)('SELECT range AS k, 1 AS v FROM range(10)')
  const outcomes = await Promise.all(
    [1, 2, 3].map(async (v) => {
      const sink = lake.sink('between', { write: byVersion })
      const files = await lake.stage(`SELECT range AS k, ${v + 1} AS v FROM range(10)`)
      return sink.commit({ ...batch(0n, 1n, files), pipeline: `other${v}` })
    }),
  )
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(['committed', 'committed', 'committed'])
  expect(await lake.rows('between', 'count(*) AS n, min(v) AS least, max(v) AS most')).toEqual([
    { n: 10n, least: 4, most: 4 },
  ])
})

// ---------------------------------------------------------------------------------------------- laws

interface Change {
  readonly k: number
  readonly v: number | null
  readonly w: number
  readonly gone: boolean
}

const change = fc.record<Change>({
  k: fc.integer({ min: 0, max: 7 }),
  v: fc.option(fc.integer({ min: 0, max: 3 })),
  w: fc.integer({ min: 0, max: 3 }),
  gone: fc.boolean(),
})

function query(changes: readonly Change[]): string | null {
  if (changes.length === 0) return null
  const rows = changes.map(({ k, v, w, gone }) => `(${k}::BIGINT, ${v}::INTEGER, ${w}, 'p${k}.${v}.${w}', ${gone})`)
  return `SELECT * FROM (VALUES ${rows.join(', ')}) t(k, v, w, p, gone)`
}

function isNewer(left: Change, right: Change): boolean {
  const [a, b] = [left.v ?? -1, right.v ?? -1]
  return a > b || (a === b && left.w > right.w)
}

/** What a batch does to a plain map. */
function apply(model: Map<number, Change>, changes: readonly Change[]): void {
  const latest = new Map<number, Change>()
  for (const each of changes) {
    const other = latest.get(each.k)
    if (other === undefined || isNewer(each, other) || (!isNewer(other, each) && each.gone)) latest.set(each.k, each)
  }
  for (const [k, each] of latest) {
    const there = model.get(k)
    if (there === undefined ? each.gone : !isNewer(each, there)) continue
    if (each.gone) model.delete(k)
    else model.set(k, each)
  }
}

const rowText = `k || ':' || coalesce(v, -1) || ':' || w || ':' || p`
const modelText = ({ k, v, w }: Change) => `${k}:${v ?? -1}:${w}:p${k}.${v}.${w}`

/** How a merge may write: files anew, or deletion vectors wherever a row changes. */
const ways = [
  ['writing files anew', { changeFeed: true }],
  ['marking rows', { changeFeed: true, deletionVectors: true, marking: { mostShare: 1, leastBytes: 0n } }],
  [
    'marking rows, without files of the change feed',
    { changeFeed: false, deletionVectors: true, marking: { mostShare: 1, leastBytes: 0n } },
  ],
  ['in partitions that rows move between', { changeFeed: true, partitionBy: ['v', 'p'] }],
  ['in partitions by the key', { changeFeed: true, partitionBy: ['k'] }],
  [
    'marking rows in partitions',
    {
      changeFeed: true,
      deletionVectors: true,
      marking: { mostShare: 1, leastBytes: 0n },
      partitionBy: ['w'],
      rules: { notNull: ['k'], check: { early: 'w <= 3' } },
    },
  ],
  ['doing either', { changeFeed: false, deletionVectors: true, marking: { mostShare: 0.5, leastBytes: 0n } }],
] as const

test.each(ways)(
  'a merge does to the table what it does to a map, and its change feed tells it row by row: %s',
  {
    timeout: 60_000,
  },
  async (_, way) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        async (batches) => {
          const path = `model${tables++}`
          const columns = [
            ...(['k'] as const).map((name) => ({ name, type: 'long' as const })),
            ...(['v', 'w'] as const).map((name) => ({ name, type: 'integer' as const })),
            { name: 'p', type: 'string' as const },
          ]
          const write: MergeMode = { mode: 'merge', key: ['k'], newer: ['v', 'w'], deleteWhen: 'gone' }
          const sink = lake.sink(path, { write, columns, ...way })
          const model = new Map<number, Change>()
          const replayed = new Map<string, string>()
          for (const [i, changes] of batches.entries()) {
            const sql = query(changes)
            await sink.commit(batch(BigInt(i), BigInt(i) + 1n, sql === null ? [] : await lake.stage(sql)))
            apply(model, changes)
            const expected = [...model.values()].map(modelText).sort()
            expect((await lake.rows(path, `${rowText} AS row`)).map(({ row }) => row).sort()).toEqual(expected)
            await replayVersion(path, BigInt(i), replayed)
            expect([...replayed.values()].sort()).toEqual(expected)
          }
        },
      ),
      { numRuns: 12 },
    )
  },
)

test('rows that change are marked where they are: nothing of their files is written again', async () => {
  const sink = lake.sink('marked', {
    write: byVersion,
    changeFeed: false,
    deletionVectors: true,
    marking: { mostShare: 0.2, leastBytes: 0n },
  })
  const rows = (from: number, to: number, v: number) =>
    lake.stage(`SELECT range AS k, ${v} AS v FROM range(${from}, ${to})`)
  await sink.commit(batch(0n, 1n, await rows(0, 100, 1)))
  const [first] = (await liveFiles(lake.table('marked'))).values()
  expect(written(await sink.commit(batch(1n, 2n, await rows(10, 20, 2))))).toMatchObject({
    updated: 10,
    filesRewritten: 0,
    filesMarked: 1,
  })
  const marked = [...(await liveFiles(lake.table('marked'))).values()]
  expect(marked.map(({ path }) => path)).toContain(first!.path)
  expect(marked.map(rowsOf)).toEqual(expect.arrayContaining([90n, 10n]))
  expect(marked.find(({ path }) => path === first!.path)).toMatchObject({
    stats: expect.stringContaining('"tightBounds":false'),
    deletionVector: { storageType: 'u', cardinality: 10n },
  })
  // ten more would be a fifth of the file: marked; one beyond that: written anew
  expect(written(await sink.commit(batch(2n, 3n, await rows(20, 30, 2))))).toMatchObject({
    filesRewritten: 0,
    filesMarked: 1,
  })
  expect(written(await sink.commit(batch(3n, 4n, await rows(30, 31, 2))))).toMatchObject({ filesRewritten: 1 })
  expect(await lake.rows('marked', 'count(*) AS n, sum(v) AS v, count(DISTINCT k) AS k')).toEqual([
    { n: 100n, v: 121n, k: 100n },
  ])
  const names: string[] = []
  for await (const { key } of lake.store.list('marked/deletion_vector_')) names.push(key)
  expect(names).toHaveLength(2)
})

test('a table that was made without deletion vectors gets none, and a sink that asks for them says so', async () => {
  await merger('unmarked', byVersion)('SELECT range AS k, 1 AS v FROM range(10)')
  const sink = lake.sink('unmarked', { write: byVersion, deletionVectors: true })
  await expect(sink.commit(batch(1n, 2n, await lake.stage('SELECT 1::BIGINT AS k, 2 AS v')))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('made without deletion vectors'),
  })
})

/** Takes one version of the change feed in; images of before must be what is there. */
async function replayVersion(path: string, version: bigint, copy: Map<string, string>): Promise<void> {
  const source = lake.source(path, { changeFeed: true })
  const [[sourcePartition] = ['']] = await source.latest()
  const input = await source.files({ sourcePartition, start: version, end: version + 1n }, lake.dir)
  const rows = await lake.inputRows(
    input,
    `k::VARCHAR AS k, ${rowText} AS row, _change_type AS type, _commit_version AS version`,
  )
  const order = ['update_preimage', 'delete', 'insert', 'update_postimage']
  for (const { k, row, type, version: stamped } of rows.sort(
    (a, b) => order.indexOf(String(a.type)) - order.indexOf(String(b.type)),
  )) {
    expect(stamped).toBe(version)
    const isBefore = type === 'update_preimage' || type === 'delete'
    expect(copy.get(String(k))).toBe(isBefore ? row : undefined)
    if (isBefore) copy.delete(String(k))
    else copy.set(String(k), String(row))
  }
}

test('any cutting of the same rows into batches gives the same table', { timeout: 60_000 }, async () => {
  const rows = fc.uniqueArray(change, { selector: ({ k, v, w }) => `${k}.${v}.${w}`, minLength: 1, maxLength: 12 })
  const cuts = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(rows, cuts, cuts, async (all, one, other) => {
      const tablesOf = []
      for (const cut of [one, other]) {
        const path = `cut${tables++}`
        const merge = merger(path, { mode: 'merge', key: ['k'], newer: ['v', 'w'] })
        const ends = [...new Set([...cut, all.length])].sort((a, b) => a - b)
        for (const [i, end] of ends.entries()) await merge(query(all.slice(ends[i - 1] ?? 0, end)))
        tablesOf.push((await lake.rows(path, `${rowText} || gone AS row`)).map(({ row }) => row).sort())
      }
      expect(tablesOf[0]).toEqual(tablesOf[1])
    }),
    { numRuns: 12 },
  )
})

test.each([["DATE '10000-01-01'"], ["'infinity'::DATE"], ["DATE '0044-03-15 (BC)'"], ["'-infinity'::DATE"]])(
  'a row is found by its date although the file, or the batch, also holds the date %s',
  async (odd) => {
    const day = `DATE '2024-05-05'`
    const dated: Partial<TableSinkOptions> = { write: { mode: 'merge', key: ['d'], newer: ['v'] } }
    for (const [side, rows] of Object.entries({
      file: [`SELECT * FROM (VALUES (${day}, 1), (${odd}, 1)) t(d, v)`, `SELECT ${day} AS d, 2 AS v`],
      batch: [`SELECT ${day} AS d, 1 AS v`, `SELECT * FROM (VALUES (${day}, 2), (${odd}, 2)) t(d, v)`],
    })) {
      const path = `dates-${side}-${odd.replaceAll(/[^a-z0-9]/gi, '')}`
      const sink = lake.sink(path, dated)
      for (const [i, query] of rows.entries())
        await sink.commit(batch(BigInt(i), BigInt(i) + 1n, await lake.stage(query)))
      expect(await lake.rows(path, `list(v) FILTER (d = ${day}) AS v`)).toEqual([{ v: [2] }])
    }
  },
)

test('a row is found by a key that is NaN, in a file that was appended', async () => {
  const file = (keys: readonly number[], v: bigint) =>
    writeParquet(
      [
        new Table({
          k: vectorFromArray(keys, new Float64()),
          v: vectorFromArray(
            keys.map(() => v),
            new Int64(),
          ),
        }),
      ],
      join(lake.dir, 'staging', `${systemIds.uuid()}.parquet`),
    )
  await lake.sink('nan').commit(batch(0n, 1n, [await file([Number.NaN, 1.5], 1n)]))
  const sink = lake.sink('nan', { write: { mode: 'merge', key: ['k'], newer: ['v'] } })
  await sink.commit(batch(1n, 2n, [await file([Number.NaN], 2n)]))
  expect(await lake.rows('nan', 'list(v) FILTER (isnan(k)) AS v')).toEqual([{ v: [2n] }])
})
