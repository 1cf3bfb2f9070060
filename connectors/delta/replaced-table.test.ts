import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { localStore } from '../storage/local.ts'
import { openDeltaTable } from './delta-table.ts'
import { deltaSource } from './source.ts'
import type { DeltaTable } from './table.ts'
import { addAction, creation, tableOptions, transaction, txnAction } from './tables.testing.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-replaced-'))
const stagingDir = join(dir, 'staging')
mkdirSync(stagingDir)
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

let now = 1_700_000_000_000
let ids = 0
function open(root: string, path = 't'): DeltaTable {
  return openDeltaTable(
    tableOptions(localStore(root), {
      path,
      duckdb: async () => duckdb,
      stagingDir,
      checkpointInterval: 5,
      clock: { nowMs: () => now, sleep: async () => {} },
      ids: { uuid: () => `r${ids++}`, random: () => 0 },
    }),
  )
}

async function build(table: DeltaTable, name: string, versions: number): Promise<void> {
  for (let v = 0; v < versions; v++) {
    const actions = [...(v === 0 ? creation(name) : []), addAction(`${name}${v}`), txnAction('p/s/0', BigInt(v))]
    expect((await table.commit(transaction(await table.snapshot(), actions))).kind).toBe('committed')
  }
  await table.settled()
}

test('a table that was replaced is noticed although the remembered snapshot came from a checkpoint alone', async () => {
  const root = join(dir, 'checkpoint-only')
  await build(open(root), 'old', 6) // versions 0..5, checkpoint at 5
  const reader = open(root)
  expect((await reader.snapshot())!.version).toBe(5n)
  rmSync(join(root, 't'), { recursive: true, force: true })
  await build(open(root), 'new', 8)
  now += 3_600_000
  const snapshot = (await reader.snapshot())!
  expect(snapshot.metaData.id).toBe('new')
  expect([...(await snapshot.files()).keys()].filter((path) => path.startsWith('old'))).toEqual([])
})

test('a table that was replaced within a minute is noticed at some time after', async () => {
  const root = join(dir, 'within-a-minute')
  await build(open(root), 'old', 2)
  const reader = open(root)
  expect((await reader.snapshot())!.version).toBe(1n)
  rmSync(join(root, 't'), { recursive: true, force: true })
  await build(open(root), 'new', 4)
  now += 30_000
  await reader.snapshot() // extends the old state by new entries
  now += 3_600_000
  const snapshot = (await reader.snapshot())!
  expect(snapshot.metaData.id).toBe('new')
  expect([...(await snapshot.files()).keys()].filter((path) => path.startsWith('old'))).toEqual([])
})

test('no checkpoint of the old table is put into the log of the new one', async () => {
  const root = join(dir, 'poisoned')
  await build(open(root), 'old', 6)
  const writer = open(root)
  expect((await writer.snapshot())!.version).toBe(5n)
  rmSync(join(root, 't'), { recursive: true, force: true })
  await build(open(root), 'new', 10) // versions 0..9, checkpoint at 5
  now += 3_600_000
  const result = await writer.commit(transaction(await writer.snapshot(), [addAction('later')])) // 10: a checkpoint
  expect(result).toEqual({ kind: 'committed', version: 10n })
  const anyone = (await open(root).snapshot())!
  expect([...(await anyone.files()).keys()].filter((path) => path.startsWith('old'))).toEqual([])
  expect((await anyone.files()).size).toBe(11)
  expect(anyone.metaData.id).toBe('new')
})

test('a source whose table was replaced says so', async () => {
  const root = join(dir, 'source')
  await build(open(root), 'old', 6)
  const source = deltaSource({
    table: open(root),
    store: localStore(root),
    changeFeed: false,
    duckdb: async () => duckdb,
    clock: { nowMs: () => now, sleep: async () => {} },
    ids: { uuid: () => `r${ids++}`, random: () => 0 },
  })
  expect(await source.latest()).toEqual(new Map([['old', 6n]])) // read up to here
  rmSync(join(root, 't'), { recursive: true, force: true })
  await build(open(root), 'new', 8)
  now += 3_600_000
  await expect(source.latest()).rejects.toMatchObject({ code: 'SOURCE_RANGE_LOST' })
})
