import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CommitOutcome } from '../../engine/contracts.ts'
import type { Column } from '../../engine/schema.ts'
import { localStore } from '../storage/local.ts'
import {
  anyClauses,
  type ModelClause,
  type ModelClauses,
  type ModelRow,
  modelMerge,
  modelText,
} from './clause-model.testing.ts'
import type { DeltaMergeClause, DeltaMergeClauses } from './description.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import type { MergeMode, TableSinkOptions } from './sink.ts'
import { liveFiles } from './tables.testing.ts'

let lake: TestLake
let tables = 0
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const columns: readonly Column[] = [
  { name: 'k', type: 'long' },
  { name: 'v', type: 'integer' },
  { name: 'n', type: 'integer' },
  { name: 'p', type: 'string' },
]
const mode = { mode: 'merge', key: ['k'], newer: ['v'] } as const

/** Commits rows `(k, v, n, p)` one batch after another. */
function merger(path: string, clauses: DeltaMergeClauses, options: Partial<TableSinkOptions> = {}) {
  const sink = lake.sink(path, { write: { ...mode, ...clauses }, columns, ...options })
  let next = 0n
  return async (...rows: readonly string[]): Promise<CommitOutcome> => {
    const select = `SELECT k::BIGINT AS k, v::INTEGER AS v, n::INTEGER AS n, p::VARCHAR AS p FROM (VALUES ${rows.join(', ')}) t(k, v, n, p)`
    return sink.commit(batch(next, ++next, rows.length === 0 ? [] : await lake.stage(select)))
  }
}

function written(outcome: CommitOutcome) {
  if (outcome.kind !== 'committed') throw new Error(`not committed: ${JSON.stringify(outcome)}`)
  return outcome.written
}

async function rowsOf(path: string): Promise<unknown[]> {
  const rows = await lake.rows(path, `concat_ws(' ', k, v, coalesce(n::VARCHAR, '-'), p) AS row`)
  return rows.map(({ row }) => row).sort()
}

test('the first clause that is true of a row decides; one that is null does not; without one the row stays', async () => {
  const merge = merger('first', {
    whenMatched: [
      { if: 'source.n < target.n', then: 'keep' },
      { if: `source.p = 'gone'`, then: 'delete' },
      { if: 'source.n > 5', then: 'update', set: { n: 'target.n + source.n', v: 'source.v' } },
      { if: 'source.n = 5', then: 'update' },
    ],
  })
  await merge(
    '(1, 1, 1, NULL)',
    `(2, 1, 9, 'b')`,
    `(3, 1, 1, 'c')`,
    `(4, 1, NULL, 'd')`,
    `(5, 1, 1, 'e')`,
    `(6, 1, 2, 'f')`,
  )
  const outcome = await merge(
    `(1, 2, 6, 'A')`,
    `(2, 2, 8, 'gone')`,
    `(3, 2, 1, 'gone')`,
    `(4, 2, 5, 'D')`,
    `(5, 2, 3, 'E')`,
    `(6, 1, 9, 'F')`,
    `(7, 1, 0, 'G')`,
  )
  expect(written(outcome)).toEqual({ inserted: 1, updated: 2, deleted: 1, stale: 3, filesRewritten: 1 })
  expect(await rowsOf('first')).toEqual(['1 2 7', '2 1 9 b', '4 2 5 D', '5 1 1 e', '6 1 2 f', '7 1 0 G'])
})

test('what is inserted, and with which values, is decided by clauses as well', async () => {
  const merge = merger('inserts', {
    whenNotMatched: [
      { if: 'source.n IS NULL', then: 'keep' },
      { if: 'source.n > 5', then: 'insert', set: { v: 'source.v', N: 'source.n - 5' } },
      { if: 'source.n < 3', then: 'insert' },
    ],
  })
  expect(written(await merge(`(1, 1, NULL, 'a')`, `(2, 1, 7, 'b')`, `(3, 1, 1, 'c')`, `(4, 1, 4, 'd')`))).toEqual({
    inserted: 2,
    updated: 0,
    deleted: 0,
    stale: 2,
    filesRewritten: 0,
  })
  expect(await rowsOf('inserts')).toEqual(['2 1 2', '3 1 1 c'])
})

test('rows that a full snapshot does not name are deleted, or marked, also by one without rows', async () => {
  const clauses: DeltaMergeClauses = {
    whenNotMatchedBySource: [
      { if: 'target.n >= 5', then: 'delete' },
      { then: 'update', set: { p: `'gone'` } },
    ],
  }
  const merge = merger('snapshot', clauses)
  await merge(`(1, 1, 1, 'a')`, `(2, 1, 2, 'b')`, `(3, 1, 5, 'c')`)
  expect(written(await merge(`(1, 2, 9, 'A')`))).toEqual({
    inserted: 0,
    updated: 2,
    deleted: 1,
    stale: 0,
    filesRewritten: 1,
  })
  expect(await rowsOf('snapshot')).toEqual(['1 2 9 A', '2 1 2 gone'])
  // a row that is not newer has been named all the same
  expect(written(await merge(`(1, 1, 0, 'x')`, `(2, 2, 2, 'B')`))).toMatchObject({ updated: 1, deleted: 0, stale: 1 })
  expect(written(await merge())).toMatchObject({ updated: 1, deleted: 1, stale: 0 })
  expect(await rowsOf('snapshot')).toEqual(['2 2 2 gone'])
})

test('a row of the batch that is older than the one that is there never changes it, whatever the clauses say', async () => {
  for (const then of ['update', 'delete'] as const) {
    const merge = merger(`older-${then}`, { whenMatched: [{ then }] })
    await merge(`(1, 5, 1, 'a')`)
    for (const v of ['5', '4', 'NULL'])
      expect(written(await merge(`(1, ${v}, 2, 'b')`))).toMatchObject({ updated: 0, deleted: 0, stale: 1 })
    expect(await rowsOf(`older-${then}`)).toEqual(['1 5 1 a'])
  }
})

test('files that conditions rule out are not opened for rows that nothing comes for', async () => {
  const gone: DeltaMergeClause = { if: `target.n < 100 AND target.p = 'x'`, then: 'delete' }
  const fill = merger('pruned', {}, { partitionBy: ['p'] })
  await fill(`(1, 1, 1, 'x')`)
  await fill(`(2, 1, 200, 'x')`)
  await fill(`(3, 1, 1, 'y')`, `(4, 1, 1, NULL)`)
  const files = [...(await liveFiles(lake.table('pruned'))).values()]
  for (const { path, stats, partitionValues } of files)
    if (partitionValues.p !== 'x' || stats!.includes('200')) await lake.store.delete(`pruned/${path}`)
  const sink = lake.sink('pruned', { write: { ...mode, whenNotMatchedBySource: [gone] } })
  const rows = await lake.stage(`SELECT 9::BIGINT AS k, 1::INTEGER AS v, 1::INTEGER AS n, 'z' AS p`)
  expect(written(await sink.commit(batch(3n, 4n, rows)))).toMatchObject({ inserted: 1, deleted: 1 })
})

test('an update of a partition column moves the row', async () => {
  const clauses: DeltaMergeClauses = { whenMatched: [{ then: 'update', set: { p: `coalesce(source.p, 'none')` } }] }
  const merge = merger('moves', clauses, { partitionBy: ['p'], changeFeed: true })
  await merge(`(1, 1, 1, 'x')`, `(2, 1, 1, 'x')`)
  await merge(`(1, 2, 1, NULL)`)
  expect(await rowsOf('moves')).toEqual(['1 1 1 none', '2 1 1 x'])
  const partitions = [...(await liveFiles(lake.table('moves'))).values()].map(
    ({ partitionValues }) => partitionValues.p,
  )
  expect(partitions.sort()).toEqual(['none', 'x'])
})

test('rows that clauses make break rules as others do', async () => {
  const clauses: DeltaMergeClauses = { whenMatched: [{ then: 'update', set: { n: 'target.n - source.n' } }] }
  const merge = merger('ruled', clauses, { rules: { check: { positive: 'n >= 0' } } })
  await merge(`(1, 1, 5, 'a')`)
  await merge(`(1, 2, 5, 'a')`)
  await expect(merge(`(1, 2, 1, 'a')`)).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED' })
  expect(await rowsOf('ruled')).toEqual(['1 1 0 a'])
})

test('another writer who adds a row that a snapshot does not name is no loss: it is decided of as well', async () => {
  const clauses: DeltaMergeClauses = { whenNotMatchedBySource: [{ if: 'target.n = 1', then: 'delete' }] }
  await merger('between', {})(`(1, 1, 1, 'a')`, `(2, 1, 2, 'b')`)
  const files = await lake.stage(`SELECT 2::BIGINT AS k, 2::INTEGER AS v, 2::INTEGER AS n, 'B' AS p`)
  const others = await lake.stage(`SELECT 3::BIGINT AS k, 1::INTEGER AS v, 1::INTEGER AS n, 'c' AS p`)
  const table = lake.table('between')
  const stale = await table.snapshot()
  const late = lake.sink('between', {
    write: { ...mode, ...clauses },
    // the first try sees the table as it was before the other writer
    table: { ...table, path: table.path, snapshot: onceThen(stale!, () => table.snapshot()) },
  })
  await lake.sink('between').commit({ ...batch(0n, 1n, others), pipeline: 'other' })
  expect(written(await late.commit({ ...batch(0n, 1n, files), pipeline: 'late' }))).toMatchObject({ deleted: 2 })
  expect(await rowsOf('between')).toEqual(['2 2 2 B'])
})

function onceThen<T>(first: T, then: () => Promise<T>): () => Promise<T> {
  let asked = false
  return async () => {
    if (asked) return then()
    asked = true
    return first
  }
}

test('the log says what was asked', async () => {
  const merge = merger('said', { whenMatched: [{ if: 'source.n > 1', then: 'delete' }, { then: 'keep' }] })
  await merge(`(1, 1, 1, 'a')`)
  expect((await lake.table('said').snapshot())!.commitInfo).toMatchObject({
    operation: 'MERGE',
    operationParameters: {
      matchedPredicates: '[{"predicate":"source.n > 1","actionType":"delete"},{"actionType":"keep"}]',
      notMatchedPredicates: '[]',
    },
  })
})

test('clauses that cannot be are told all at once, before a row is read', () => {
  const wrong: DeltaMergeClauses = {
    whenMatched: [
      { if: 'source.z > x AND target.n = 1', then: 'insert' },
      {
        if: `source.p = 1`,
        then: 'update',
        set: { q: 'source.p', n: 'source.p', k: 'source.n', p: 'NULL', P: 'NULL' },
      },
      { then: 'delete', set: { p: 'NULL' } },
      { then: 'keep' },
    ],
    whenNotMatched: [{ if: 'target.n = 1', then: 'insert', set: {} }],
    whenNotMatchedBySource: [{ if: 'upper(target.p) = target.p', then: 'update' }],
  }
  expect(() => merger('wrong', wrong)).toThrowError(
    expect.objectContaining({
      code: 'DEFINITION_INVALID',
      problems: [
        'whenMatched[0]: then: "insert" is none of update, delete, keep',
        'whenMatched[0]: if: source.z > x AND target.n = 1: there is no column z in source (its columns are k, v, n, p)',
        'whenMatched[0]: if: source.z > x AND target.n = 1: x is no column of a row (write source.<column> or target.<column>)',
        'whenMatched[1]: if: source.p = 1: string compared with integer is not supported (write it in other words)',
        'whenMatched[1]: set: P is named twice (name it once)',
        'whenMatched[1]: set q: there is no such column (the columns are k, v, n, p)',
        'whenMatched[1]: set n: source.p: string as integer is not supported (write it in other words)',
        'whenMatched[1]: set k: the key of a row stays what it is (leave it out)',
        'whenMatched[2]: set: there is nothing to set in "delete"',
        'whenMatched[3]: is never asked: whenMatched[2] decides of every row (put it before that)',
        'whenNotMatched[0]: if: target.n = 1: target.n: there is no target row here (only source)',
        'whenNotMatched[0]: set: names no column (leave it out to take all of the row that comes)',
        'whenNotMatchedBySource[0]: if: upper(target.p) = target.p: the function upper of string is not supported (write it in other words)',
        'whenNotMatchedBySource[0]: set: an update of rows that nothing comes for needs values (name them: set)',
      ].map((problem) => `table wrong: ${problem}`),
    }),
  )
})

test('while nobody knows the columns, what is wrong whatever they are is told; the rest with the first rows', async () => {
  const open = (clauses: DeltaMergeClauses) => {
    const write: MergeMode = { ...mode, ...clauses }
    return lake.sink('unknown', { write })
  }
  expect(() => open({ whenNotMatched: [{ if: 'target.x = 1', then: 'insert' }] })).toThrow(
    'there is no target row here',
  )
  expect(() => open({ whenMatched: [{ if: 'source.x >', then: 'update' }] })).toThrow('"the end" is not supported')
  const sink = open({ whenMatched: [{ if: 'source.x = 1', then: 'update' }] })
  await expect(sink.commit(batch(0n, 1n, await lake.stage('SELECT 1::BIGINT AS k, 1 AS v')))).rejects.toMatchObject({
    code: 'DEFINITION_INVALID',
    problems: [
      'table unknown: whenMatched[0]: if: source.x = 1: there is no column x in source (its columns are k, v)',
    ],
  })
})

// ---------------------------------------------------------------------------------------------- laws

const small = fc.option(fc.integer({ min: 0, max: 3 }))
const row: fc.Arbitrary<ModelRow> = fc.record({ k: fc.integer({ min: 0, max: 6 }), v: small, n: small, p: small })

const ways: readonly (readonly [string, Partial<TableSinkOptions>])[] = [
  ['writing files anew', { changeFeed: true }],
  ['marking rows', { changeFeed: true, deletionVectors: true, marking: { mostShare: 1, leastBytes: 0n } }],
  ['doing either', { deletionVectors: true, marking: { mostShare: 0.5, leastBytes: 0n } }],
  ['in partitions', { changeFeed: true, partitionBy: ['p'] }],
]

test.each(ways)(
  'a merge does what its clauses do to a map, and its change feed tells it row by row: %s',
  { timeout: 120_000 },
  async (_, way) => {
    await fc.assert(
      fc.asyncProperty(
        anyClauses,
        fc.array(fc.array(row, { maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        async (clauses, batches) => {
          const path = `model${tables++}`
          const merge = merger(path, described(clauses), way)
          let model: ReadonlyMap<number, ModelRow> = new Map()
          const replayed = new Map<string, string>()
          for (const [i, rows] of batches.entries()) {
            const newest = uniqueByVersion(rows)
            const outcome = await merge(
              ...newest.map(({ k, v, n, p }) => `(${k}, ${v}, ${n}, '${p ?? ''}')`.replace(`''`, 'NULL')),
            )
            const result = modelMerge(model, newest, clauses)
            model = result.rows
            const { filesRewritten, filesMarked, ...counts } = written(outcome)
            expect(counts).toEqual(result.counts)
            const expected = [...model.values()].map(modelText).sort()
            expect(await rowsText(path)).toEqual(expected)
            await replayVersion(path, BigInt(i), replayed)
            expect([...replayed.values()].sort()).toEqual(expected)
          }
        },
      ),
      { numRuns: 18 },
    )
  },
)

function described(clauses: ModelClauses): DeltaMergeClauses {
  return Object.fromEntries(
    Object.entries(clauses).map(([kind, list]) => [kind, (list as readonly ModelClause[]).map(({ clause }) => clause)]),
  )
}

/** Rows of one key and version would be told apart by a hash that the model does not know. */
function uniqueByVersion(rows: readonly ModelRow[]): readonly ModelRow[] {
  return [...new Map(rows.map((each) => [`${each.k} ${each.v}`, each])).values()]
}

const rowText = `concat_ws(' ', k, coalesce(v::VARCHAR, '-'), coalesce(n::VARCHAR, '-'), coalesce(p, '-'))`

async function rowsText(path: string): Promise<unknown[]> {
  return (await lake.rows(path, `${rowText} AS row`)).map(({ row }) => row).sort()
}

/** Takes one version of the change feed in; images of before must be what is there. */
async function replayVersion(path: string, version: bigint, copy: Map<string, string>): Promise<void> {
  const source = lake.source(path, { changeFeed: true })
  const [[sourcePartition] = ['']] = await source.latest()
  const input = await source.files({ sourcePartition, start: version, end: version + 1n }, lake.dir)
  const rows = await lake.inputRows(input, `k::VARCHAR AS k, ${rowText} AS row, _change_type AS type`)
  const isBefore = (type: unknown) => type === 'update_preimage' || type === 'delete'
  for (const { k, row, type } of rows.filter(({ type }) => isBefore(type))) {
    expect([type, copy.get(String(k))]).toEqual([type, row])
    copy.delete(String(k))
  }
  for (const { k, row, type } of rows.filter(({ type }) => !isBefore(type))) {
    expect([type, copy.get(String(k))]).toEqual([type, undefined])
    copy.set(String(k), String(row))
  }
}
