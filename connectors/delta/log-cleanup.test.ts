import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { localStore } from '../storage/local.ts'
import type { Action } from './actions.ts'
import { openDeltaTable } from './delta-table.ts'
import { readersOf, registerReader } from './readers.ts'
import type { DeltaTable } from './table.ts'
import { addAction, creation, liveFiles, tableOptions, transaction, txnAction } from './tables.testing.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-cleanup-'))
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

const day = 86_400_000
const start = Date.parse('2026-01-01T12:00:00Z')

/** A table whose files are as old as its clock says. */
function agingTable(name: string, configuration: Readonly<Record<string, string>> = {}) {
  const root = join(dir, name)
  let nowMs = start
  let names = 0
  const local = localStore(root)
  const aged = (key: string) => utimesSync(join(root, key), nowMs / 1000, nowMs / 1000)
  const store: ObjectStore = {
    ...local,
    async putIfAbsent(key, body) {
      const created = await local.putIfAbsent(key, body)
      if (created) aged(key)
      return created
    },
  }
  const table = openDeltaTable(
    tableOptions(store, {
      duckdb: async () => duckdb,
      stagingDir: dir,
      checkpointInterval: 2,
      clock: { nowMs: () => nowMs, sleep: async () => {} },
      ids: { uuid: () => `${name}-${names++}`, random: () => 0 },
    }),
  )
  const [protocol, metaData] = creation() as [Action, { metaData: object }]
  const first = [protocol, { metaData: { ...metaData.metaData, configuration } } as Action]
  return {
    store,
    table,
    async commitDays(count: number, everyMs = day): Promise<void> {
      for (let i = 0; i < count; i++) {
        const snapshot = await table.snapshot()
        const version = snapshot === null ? 0n : snapshot.version + 1n
        await table.commit(
          transaction(snapshot, [
            ...(snapshot === null ? first : []),
            addAction(`f${version}`),
            txnAction('idle', snapshot?.txns.get('idle')?.version ?? 7n),
          ]),
        )
        await table.settled()
        nowMs += everyMs
      }
    },
  }
}

async function logOf(store: ObjectStore): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of store.list('t/_delta_log/0')) found.push(key.replace(/^.*\/0{18}/, ''))
  return found
}

async function versionsLeft(table: DeltaTable, upTo: bigint): Promise<bigint[]> {
  const left: bigint[] = []
  for (let version = 0n; version <= upTo; version++)
    if (
      await table.snapshot(version).then(
        (snapshot) => snapshot !== null,
        () => false,
      )
    )
      left.push(version)
  return left
}

test('what is older than 30 days goes, but for the newest checkpoint among it and all that follows', async () => {
  const { store, commitDays } = agingTable('plain')
  await commitDays(36)
  const log = await logOf(store)
  expect(log[0]).toBe('02.checkpoint.parquet') // written on day 34: 4 is not older than 30 days at midnight
  expect(log).toContain('35.json')
  const again = openDeltaTable(tableOptions(store, { duckdb: async () => duckdb }))
  expect((await liveFiles(again)).size).toBe(36)
  expect((await again.snapshot())!.txns.get('idle')?.version).toBe(7n) // a position that nobody moved stays
  expect(await versionsLeft(again, 35n)).toEqual(Array.from({ length: 34 }, (_, i) => BigInt(i + 2)))
})

test('entries that a reader has not read yet stay, and so does the state that it begins at', async () => {
  const { store, table, commitDays } = agingTable('read', { 'delta.logRetentionDuration': 'interval 5 days' })
  await commitDays(9)
  await registerReader(store, 't', { pipeline: 'slow / one', version: 7n, seenMs: start })
  expect(await readersOf(store, 't')).toEqual([{ pipeline: 'slow / one', version: 7n, seenMs: start }])
  await commitDays(30)
  expect((await logOf(store))[0]).toBe('06.checkpoint.parquet')
  expect((await table.snapshot(6n))?.version).toBe(6n)
  await registerReader(store, 't', { pipeline: 'slow / one', version: 30n, seenMs: start })
  await commitDays(2)
  expect((await logOf(store))[0]).toBe('28.checkpoint.parquet')
})

test('a table that forbids it keeps its log', async () => {
  const configuration = { 'delta.logRetentionDuration': 'interval 1 day', 'delta.enableExpiredLogCleanup': 'false' }
  const { store, commitDays } = agingTable('kept', configuration)
  await commitDays(9)
  expect((await logOf(store))[0]).toBe('00.crc')
})

test('a log with a retention of less than a day is cleaned as it goes on, and never of the last hour', async () => {
  const minute = day / 1440
  for (const [name, duration] of [
    ['hours', 'interval 2 hours'],
    ['minutes', 'interval 1 minute'],
  ] as const) {
    const { store, table, commitDays } = agingTable(name, { 'delta.logRetentionDuration': duration })
    await commitDays(100, 6 * minute)
    const entries = (await logOf(store))
      .filter((file) => file.endsWith('.json'))
      .map((file) => Number(file.slice(0, 2)))
    const [keeps, cleans] = name === 'hours' ? [20, 5] : [10, 3]
    expect(entries).toEqual(Array.from({ length: 100 - entries[0]! }, (_, i) => i + entries[0]!))
    expect(entries.length).toBeGreaterThanOrEqual(keeps)
    expect(entries.length).toBeLessThanOrEqual(keeps + cleans + 4)
    expect((await liveFiles(openDeltaTable(tableOptions(store, { duckdb: async () => duckdb })))).size).toBe(100)
    expect((await table.snapshot())!.version).toBe(99n)
  }
})

test('only the newest versions keep their checksum, which is of use for nothing but opening them', async () => {
  const { store, commitDays } = agingTable('sums')
  await commitDays(40, 1000)
  const sums = (await logOf(store)).filter((file) => file.endsWith('.crc'))
  expect(sums.length).toBeLessThanOrEqual(33)
  expect(sums.at(-1)).toBe('39.crc')
  const kept = agingTable('all-sums', { 'delta.enableExpiredLogCleanup': 'false' })
  await kept.commitDays(40, 1000)
  expect((await logOf(kept.store)).filter((file) => file.endsWith('.crc'))[0]).toBe('00.crc')
})
