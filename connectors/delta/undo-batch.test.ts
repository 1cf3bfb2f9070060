import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock as clock, systemIds as ids_ } from '../../engine/clock.ts'
import type { Range, Sink } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { openAudit } from './audit.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { optimizeTable } from './optimize.ts'
import type { TableSinkOptions } from './sink.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const clocks = { clock, ids: ids_ }
const rows = (...ids: number[]) => `SELECT * FROM (VALUES ${ids.map((id) => `(${id}::BIGINT, 1)`).join(', ')}) t(id, v)`
const span = (start: bigint, end: bigint): Range[] => [{ sourcePartition: 's/0', start, end }]
const undo = (sink: Sink, ranges: readonly Range[], txnId: string = crypto.randomUUID()) =>
  sink.undo!({ pipeline: 'p', txnId, ranges })

async function writer(path: string, options: Partial<TableSinkOptions> = {}) {
  const sink = lake.sink(path, options)
  const write = async (start: bigint, end: bigint, ...ids: number[]) =>
    expect((await sink.commit(batch(start, end, await lake.stage(rows(...ids))))).kind).toBe('committed')
  return { sink, write }
}

const ids = async (path: string) => (await lake.rows(path, 'list(id ORDER BY id) AS ids'))[0]!.ids

/** What an audit of the log finds. */
async function findings(path: string): Promise<string[]> {
  const table = lake.table(path)
  const snapshot = (await table.snapshot())!
  const audit = openAudit()
  for await (const entry of table.entries(0n, snapshot.version + 1n)) audit.add(entry)
  return audit.finish(snapshot).findings.map(({ kind, message }) => `${kind}: ${message}`)
}

test('rows of the newest batch go and the position goes back, whatever others added since; the batch can be run again', async () => {
  const { sink, write } = await writer('appended')
  await write(0n, 5n, 1, 2)
  await write(5n, 9n, 3, 4)
  await lake.sink('appended').commit({ ...batch(0n, 1n, await lake.stage(rows(100))), pipeline: 'other' })
  await undo(sink, span(5n, 9n))
  expect(await ids('appended')).toEqual([1n, 2n, 100n])
  expect((await sink.position('p')).position.get('s/0')).toBe(5n)
  await undo(sink, span(5n, 9n)) // nothing is left to do
  await write(5n, 7n, 5)
  expect(await ids('appended')).toEqual([1n, 2n, 5n, 100n])
  expect(await findings('appended')).toEqual([])
})

test('a batch that made the table is taken back as well', async () => {
  const { sink, write } = await writer('created')
  await write(0n, 5n, 1)
  await undo(sink, span(0n, 5n))
  expect(await ids('created')).toBeNull()
  await write(0n, 5n, 2)
  expect(await ids('created')).toEqual([2n])
  expect(await findings('created')).toEqual([])
})

test('files that were written together since are no hindrance, nor are rows that a merge changed', async () => {
  const write = { mode: 'merge', key: ['id'], newer: ['v'] } as const
  for (const [path, options] of [
    ['compacted', {}],
    ['merged', { write }],
  ] as const) {
    const { sink, write: commit } = await writer(path, options)
    await commit(0n, 5n, 1, 2)
    await commit(5n, 9n, 3)
    if (path === 'compacted') {
      const { store } = lake
      const parts = { duckdb: async () => lake.duckdb, stagingDir: `${lake.dir}/staging` }
      const target = { table: lake.table(path), store, ...clocks }
      await optimizeTable({
        ...parts,
        target,
        targetBytes: 2n ** 20n,
        order: null,
        signal: new AbortController().signal,
      })
    }
    await undo(sink, span(5n, 9n))
    expect(await ids(path)).toEqual([1n, 2n])
    expect(await findings(path)).toEqual([])
  }
})

test('what is no batch of exactly those ranges, or was changed since, is refused and stays', async () => {
  const { sink, write } = await writer('refused')
  await write(0n, 5n, 1)
  await write(5n, 9n, 2)
  const { deleteRows } = await import('./row-changes.ts')
  await expect(undo(sink, span(3n, 9n))).rejects.toMatchObject({ code: 'SINK_FAILED', retryable: false })
  await deleteRows({
    target: { table: lake.table('refused'), store: lake.store, ...clocks },
    duckdb: async () => lake.duckdb,
    stagingDir: `${lake.dir}/staging`,
    where: 'id = 2',
    signal: new AbortController().signal,
  })
  await expect(undo(sink, span(5n, 9n))).rejects.toThrowError(/version 2 changed rows after it/)
  expect((await sink.position('p')).position.get('s/0')).toBe(9n)
})

test('a batch whose replaced files were deleted since is not taken back, and the table stays whole', async () => {
  const { sink, write } = await writer('vacuumed', { write: { mode: 'merge', key: ['id'], newer: ['v'] } })
  await write(0n, 5n, 1, 2)
  const before = [...(await (await lake.table('vacuumed').snapshot())!.files()).values()]
  await sink.commit(batch(5n, 6n, await lake.stage('SELECT 1::BIGINT AS id, 2 AS v')))
  for (const { path } of before) await lake.store.delete(`vacuumed/${path}`)
  await expect(undo(sink, span(5n, 6n))).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringMatching(/1 files of the version before have been deleted/),
  })
  expect(await ids('vacuumed')).toEqual([1n, 2n])
})
