import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemIds } from '../../engine/clock.ts'
import type { ObjectStore } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { commitPublished } from './commit-published.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import type { TableSinkOptions } from './sink.ts'
import { removalOf, writeTarget } from './table-write.ts'
import { transaction } from './tables.testing.ts'
import { vacuumTable } from './vacuum.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const hour = 3_600_000
const write: TableSinkOptions['write'] = { mode: 'merge', key: ['k'], newer: ['v'] }
const rows = (v: number) => lake.stage(`SELECT range AS k, ${v} AS v FROM range(10)`)

/** A sink whose process stands still for a while just after a file of it is in its place. */
function suspended(path: string, hours: number, meanwhile: () => Promise<unknown>) {
  let [nowMs, done] = [Date.now(), false]
  const clock = { nowMs: () => nowMs, sleep: async () => {} }
  const store: ObjectStore = {
    ...lake.store,
    async putFile(key, localPath) {
      await lake.store.putFile(key, localPath)
      if (done) return
      done = true
      nowMs += hours * hour
      await meanwhile()
    },
  }
  return { sink: lake.sink(path, { write, store, clock, changeFeed: true }) }
}

const after = (hours: number) => ({ nowMs: () => Date.now() + hours * hour, sleep: async () => {} })

async function vacuum(path: string, hours: number) {
  const clock = after(hours)
  const parts = {
    table: lake.table(path),
    store: lake.store,
    clock,
    ids: systemIds,
    storeNowMs: async () => clock.nowMs(),
  }
  const signal = new AbortController().signal
  return vacuumTable({ ...parts, retentionMs: 0, force: true, dryRun: false, signal })
}

test('a batch whose files were deleted while its process stood still is not committed, and done again', async () => {
  await lake.sink('late', { write, changeFeed: true }).commit(batch(0n, 1n, await rows(1)))
  const { sink } = suspended('late', 2, () => vacuum('late', 2))
  const commit = batch(1n, 2n, await rows(2))
  await expect(sink.commit(commit)).rejects.toMatchObject({
    code: 'SINK_FAILED',
    retryable: true,
    message: expect.stringMatching(/took 120 minutes, and 1 of its files were deleted/),
  })
  expect(await lake.rows('late', 'sum(v) AS s')).toEqual([{ s: 10n }])
  expect(await sink.commit({ ...commit, txnId: systemIds.uuid() })).toMatchObject({ kind: 'committed' })
  expect(await lake.rows('late', 'sum(v) AS s')).toEqual([{ s: 20n }])
})

test('a batch that stood still and lost nothing is committed', async () => {
  await lake.sink('slow', { write, changeFeed: true }).commit(batch(0n, 1n, await rows(1)))
  const { sink } = suspended('slow', 2, async () => {})
  expect(await sink.commit(batch(1n, 2n, await rows(2)))).toMatchObject({ kind: 'committed' })
  expect(await lake.rows('slow', 'sum(v) AS s')).toEqual([{ s: 20n }])
})

test('what a commit replaces is kept from then on, and not from when its process stood still', async () => {
  await lake.sink('stamped', { write }).commit(batch(0n, 1n, await rows(1)))
  const [table, clock] = [lake.table('stamped'), after(2)]
  const snapshot = (await table.snapshot())!
  const target = { ...writeTarget({ ...lake, table, clock, ids: systemIds }), startedMs: Date.now() }
  const removes = [...(await snapshot.files()).values()].map((add) => ({ remove: removalOf(add, Date.now()) }))
  await commitPublished(
    target,
    transaction(snapshot, removes, { reads: { kind: 'files', files: new Set(), mayMatch: () => false } }),
  )
  const [removed] = [...(await (await table.snapshot())!.tombstones()).values()]
  expect(Number(removed!.deletionTimestamp)).toBeGreaterThan(Date.now() + hour)
})

test('a version is not written into the gap of a log that was cleaned up meanwhile', async () => {
  const other = lake.sink('gap', { write, changeFeed: true })
  for (const v of [0, 1, 2]) await other.commit(batch(BigInt(v), BigInt(v + 1), await rows(v)))
  await other.close()
  // versions after the one that the suspended batch stands on come, and those up to it go
  const { sink } = suspended('gap', 48, async () => {
    for (let v = 3; v < 13; v++) {
      const start = v === 3 ? 0n : BigInt(v)
      await other.commit({ ...batch(start, BigInt(v + 1), await rows(v)), pipeline: 'other' })
    }
    await lake.settled()
    for (let v = 0; v < 10; v++) await lake.store.delete(`gap/_delta_log/${String(v).padStart(20, '0')}.json`)
  })
  await expect(sink.commit(batch(3n, 4n, await rows(20)))).rejects.toMatchObject({
    code: 'SINK_FAILED',
    retryable: true,
    message: expect.stringMatching(/version 2, which it stands on, is gone from the log/),
  })
  const names: string[] = []
  for await (const { key } of lake.store.list('gap/_delta_log/')) if (key.endsWith('.json')) names.push(key.slice(-7))
  expect(names[0]).toBe('10.json')
})

test('a merge whose files another writer replaced and a vacuum deleted is done again on the newest version', async () => {
  await lake.sink('replaced', { write }).commit(batch(0n, 1n, await rows(1)))
  let done = false
  const store: ObjectStore = {
    ...lake.store,
    async localFile(key) {
      if (!done) {
        done = true
        await lake.sink('replaced', { write }).commit({ ...batch(0n, 1n, await rows(2)), pipeline: 'other' })
        await lake.store.delete(key)
      }
      return lake.store.localFile(key)
    },
  }
  const sink = lake.sink('replaced', { write, store })
  const commit = batch(1n, 2n, await rows(3))
  await expect(sink.commit(commit)).rejects.toMatchObject({ code: 'TABLE_CONFLICT', retryable: true })
  expect(await sink.commit({ ...commit, txnId: systemIds.uuid() })).toMatchObject({ kind: 'committed' })
  expect(await lake.rows('replaced', 'sum(v) AS s')).toEqual([{ s: 30n }])
})
