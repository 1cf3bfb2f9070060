import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import { localStore } from '../storage/local.ts'
import { openAudit } from './audit.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { type RestoreOptions, restoreTable } from './restore.ts'
import type { TableSinkOptions } from './sink.ts'
import { liveFiles } from './tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

function restore(path: string, version: bigint, more: Partial<RestoreOptions> = {}) {
  const parts = { table: lake.table(path), store: lake.store, clock: systemClock, ids: systemIds }
  return restoreTable({ ...parts, version, rewind: false, ...more })
}

async function commit(path: string, at: number, query: string, options: Partial<TableSinkOptions> = {}) {
  return lake.sink(path, options).commit(batch(BigInt(at), BigInt(at + 1), await lake.stage(query)))
}

const merge: Partial<TableSinkOptions> = { write: { mode: 'merge', key: ['k'], newer: ['v'] }, changeFeed: true }

test('a table has the rows and the schema of an earlier version again, and later ones can still be read', async () => {
  await commit('back', 0, 'SELECT range AS k, 1 AS v FROM range(3)', merge)
  await commit('back', 1, `SELECT range AS k, 2 AS v, 'x' AS t FROM range(5)`, merge)
  const [then, after] = [await lake.rows('back', 'sum(v) AS s', 0n), await lake.rows('back', 'sum(v) AS s')]
  expect(await restore('back', 0n)).toMatchObject({ version: 2n, filesRestored: 1, filesRemoved: 1, rewound: [] })
  expect(await lake.rows('back', 'sum(v) AS s')).toEqual(then)
  expect((await lake.table('back').snapshot())!.columns.map(({ name }) => name)).toEqual(['k', 'v'])
  expect(await lake.rows('back', 'sum(v) AS s', 1n)).toEqual(after)
  expect(await restore('back', 1n)).toMatchObject({ version: 3n })
  expect(await lake.rows('back', 'sum(v) AS s')).toEqual(after)
  expect(await restore('back', 1n)).toMatchObject({ version: 3n, filesRestored: 0 }) // nothing to do
})

test('deletion vectors are taken back with their files', async () => {
  const marking = { ...merge, deletionVectors: true, marking: { mostShare: 1, leastBytes: 0n } }
  await commit('marks', 0, 'SELECT range AS k, 1 AS v FROM range(9)', marking)
  await commit('marks', 1, 'SELECT range AS k, 2 AS v FROM range(2)', marking)
  await restore('marks', 0n)
  expect(await lake.rows('marks', 'count(*) AS n, sum(v) AS s')).toEqual([{ n: 9n, s: 9n }])
  expect([...(await liveFiles(lake.table('marks'))).values()].map((add) => add.deletionVector)).toEqual([undefined])
})

test('readers of the change feed see what a restore takes away and brings back', async () => {
  await commit('fed', 0, 'SELECT range AS k, 1 AS v FROM range(3)', merge)
  await commit('fed', 1, 'SELECT 0::BIGINT AS k, 5 AS v', merge)
  await restore('fed', 0n)
  const source = lake.source('fed', { changeFeed: true })
  const [[sourcePartition, end]] = [...(await source.latest())] as [[string, bigint]]
  const input = await source.files({ sourcePartition, start: 2n, end }, lake.dir)
  const net = `sum(CASE WHEN _change_type IN ('delete', 'update_preimage') THEN -v ELSE v END) AS s`
  expect(await lake.inputRows(input, net)).toEqual([{ s: -4n }])
})

test('positions go back with the rows if that is asked for, the batch comes again, and the audit follows', async () => {
  for (let i = 0; i < 3; i++) await commit('again', i, `SELECT ${i} AS k`)
  expect(await restore('again', 0n, { rewind: true })).toMatchObject({ rewound: ['p'] })
  expect((await lake.sink('again').position('p')).position).toEqual(new Map([['s/0', 1n]]))
  expect((await commit('again', 2, 'SELECT 2 AS k')).kind).toBe('fenced')
  expect((await commit('again', 1, 'SELECT 1 AS k')).kind).toBe('committed')
  expect(await lake.rows('again', 'list(k ORDER BY k) AS k')).toEqual([{ k: [0, 1] }])
  const [audit, table] = [openAudit(), lake.table('again')]
  for await (const entry of table.entries(0n, 5n)) audit.add(entry)
  expect(audit.finish((await table.snapshot())!)).toMatchObject({ findings: [], chains: [{ from: 0n, to: 2n }] })
})

test('without rewinding, pipelines go on from where they are', async () => {
  for (let i = 0; i < 3; i++) await commit('on', i, `SELECT ${i} AS k`)
  await restore('on', 0n)
  expect((await commit('on', 3, 'SELECT 3 AS k')).kind).toBe('committed')
  expect(await lake.rows('on', 'list(k ORDER BY k) AS k')).toEqual([{ k: [0, 3] }])
})

test('what cannot be taken back is named: files that are gone, versions that are not there, later pipelines', async () => {
  await commit('gone', 0, 'SELECT 1 AS k, 1 AS v', merge)
  const [file] = (await liveFiles(lake.table('gone'))).values()
  await commit('gone', 1, 'SELECT 1 AS k, 2 AS v', merge)
  await lake.sink('gone', merge).commit({ ...batch(0n, 1n, await lake.stage('SELECT 2 AS k, 1 AS v')), pipeline: 'q' })
  await expect(restore('gone', 1n, { rewind: true })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('q had not read s/0 at version 1'),
  })
  await lake.store.delete(`gone/${file!.path}`)
  await expect(restore('gone', 0n)).rejects.toMatchObject({
    code: 'TABLE_CORRUPT',
    message: expect.stringContaining(file!.path),
  })
  await expect(restore('gone', 9n)).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
})
