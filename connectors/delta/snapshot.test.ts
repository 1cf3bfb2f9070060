import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { memoryStore } from '../storage/memory.ts'
import type { Action } from './actions.ts'
import { openDeltaTable } from './delta-table.ts'
import { entryKey, printLogEntry, versionName } from './log-entry.ts'
import { checkpointKey, hintKey } from './log-listing.ts'
import type { DeltaTable, Snapshot } from './table.ts'
import { addAction, creation, liveFiles, removeAction, tableOptions, transaction, txnAction } from './tables.testing.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-snapshot-'))
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

let stores = 0
function newStore(): ObjectStore {
  return memoryStore({ localDir: dir })
}
function open(store: ObjectStore, checkpointInterval = 1_000_000): DeltaTable {
  return openDeltaTable(
    tableOptions(store, {
      duckdb: async () => duckdb,
      stagingDir: dir,
      checkpointInterval,
      ids: { uuid: () => `name-${stores++}`, random: () => 0 },
      onCheckpointFailed: (error) => {
        throw error
      },
    }),
  )
}

/** Commits actions on the newest snapshot. */
async function commit(table: DeltaTable, actions: readonly Action[]): Promise<void> {
  const snapshot = await table.snapshot()
  const result = await table.commit(transaction(snapshot, actions))
  expect(result.kind).toBe('committed')
  await table.settled()
}

/** A table of the given number of versions; version v adds file `f<v>` and sets txn `a` to v. */
async function build(store: ObjectStore, versions: number, checkpointInterval?: number): Promise<DeltaTable> {
  const table = open(store, checkpointInterval)
  for (let v = 0; v < versions; v++)
    await commit(table, [...(v === 0 ? creation() : []), addAction(`f${v}`), txnAction('a', BigInt(v))])
  return table
}

async function contents(snapshot: Snapshot | null): Promise<unknown> {
  return (
    snapshot && {
      version: snapshot.version,
      files: [...(await snapshot.files()).keys()].sort(),
      txns: Object.fromEntries([...snapshot.txns].map(([appId, txn]) => [appId, txn.version])),
    }
  )
}

type Step = {
  readonly adds: number
  readonly removes: readonly number[]
  readonly txn: readonly [number, bigint] | null
}
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    adds: fc.nat(3),
    removes: fc.array(fc.nat(20), { maxLength: 3 }),
    txn: fc.option(fc.tuple(fc.nat(3), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }))),
  }),
  { minLength: 1, maxLength: 25 },
)

test('every version of a table equals a plain model, whatever checkpoints were written and lost', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 2, max: 9 }), fc.array(fc.nat(25)), async (history, interval, lost) => {
      const store = newStore()
      const table = open(store, interval)
      const model: unknown[] = []
      const [files, txns] = [new Set<string>(), new Map<string, bigint>()]
      let names = 0
      for (const [version, step] of history.entries()) {
        const removed = [...new Set(step.removes)].map((i) => [...files][i]).filter((file) => file !== undefined)
        const added = Array.from({ length: step.adds }, () => `f${names++}`)
        const actions = [...added.map((path) => addAction(path)), ...removed.map((path) => removeAction(path))]
        if (step.txn !== null) actions.push(txnAction(`app-${step.txn[0]}`, step.txn[1]))
        await commit(table, [...(version === 0 ? creation() : []), ...actions])
        for (const file of removed) files.delete(file)
        for (const file of added) files.add(file)
        if (step.txn !== null) txns.set(`app-${step.txn[0]}`, step.txn[1])
        model.push({ version: BigInt(version), files: [...files].sort(), txns: Object.fromEntries(txns) })
      }
      expect(await contents(await table.snapshot())).toEqual(model.at(-1))
      for (const version of lost) await store.delete(checkpointKey('t', BigInt(version)))
      const again = open(store)
      expect(await contents(await again.snapshot())).toEqual(model.at(-1))
      for (const [version, expected] of model.entries())
        expect(await contents(await again.snapshot(BigInt(version)))).toEqual(expected)
    }),
    { numRuns: 25 },
  )
}, 60_000)

test('a table that is not there has no snapshot', async () => {
  const table = open(newStore())
  expect(await table.snapshot()).toBeNull()
  expect(await table.snapshot(3n)).toBeNull()
})

test.each(['', '{', 'null', '{"version":"x"}', '{"version":7}', '{"version":99}', '{"version":-1}'])(
  'a hint that says %j is only a hint',
  async (hint) => {
    const store = newStore()
    await build(store, 23, 10)
    await store.put(hintKey('t'), Buffer.from(hint))
    const snapshot = await open(store).snapshot()
    expect(snapshot?.version).toBe(22n)
    expect((await snapshot?.files())?.size).toBe(23)
  },
)

test('a log cleaned up to its newest checkpoint is read from there, and older versions are said to be gone', async () => {
  const store = newStore()
  await build(store, 23, 10)
  for (let v = 0n; v < 20n; v++) await store.delete(entryKey('t', v))
  await store.delete(checkpointKey('t', 10n))
  const table = open(store)
  expect((await liveFiles(table)).size).toBe(23)
  expect((await liveFiles(table, 21n)).size).toBe(22)
  await expect(table.snapshot(19n)).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: expect.stringContaining('no version 19: the oldest that can be restored is 20'),
  })
  await expect(table.snapshot(23n)).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
  const lost = table.entries(18n, 22n)[Symbol.asyncIterator]()
  await expect(lost.next()).rejects.toMatchObject({
    code: 'SOURCE_RANGE_LOST',
    message: expect.stringContaining('versions [18, 22)'),
  })
})

test('an unreadable checkpoint is passed over while the entries reach back', async () => {
  const store = newStore()
  await build(store, 23, 10)
  await store.put(checkpointKey('t', 20n), Buffer.from('PAR1 and then nothing'))
  expect((await liveFiles(open(store))).size).toBe(23)
  await store.put(checkpointKey('t', 10n), Buffer.from(''))
  expect((await liveFiles(open(store))).size).toBe(23)
  await store.delete(entryKey('t', 0n))
  await expect(liveFiles(open(store))).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
})

test('an entry that a listing lacks but that is there is no damage', async () => {
  const store = newStore()
  await build(store, 5, 2)
  for (const lacking of [0n, 1n, 3n]) {
    const holed: ObjectStore = {
      ...store,
      async *list(prefix, startAfter) {
        for await (const info of store.list(prefix, startAfter)) if (info.key !== entryKey('t', lacking)) yield info
      },
    }
    expect((await liveFiles(open(holed))).size).toBe(5)
  }
})

test('a missing version between others is named', async () => {
  const store = newStore()
  await build(store, 5)
  await store.delete(entryKey('t', 2n))
  await expect(open(store).snapshot()).rejects.toMatchObject({
    code: 'TABLE_CORRUPT',
    message: expect.stringContaining('log entry 2 is missing'),
  })
  await store.delete(entryKey('t', 0n))
  await store.delete(entryKey('t', 1n))
  await expect(open(store).snapshot()).rejects.toMatchObject({
    code: 'TABLE_CORRUPT',
    message: expect.stringContaining('begins at version 3'),
  })
})

test('a truncated or malformed entry is named with its line', async () => {
  const store = newStore()
  await build(store, 2)
  const whole = printLogEntry([{ commitInfo: {} }, addAction('f2')])
  for (const [body, what] of [
    [whole.subarray(0, whole.length - 9), 'line 2'],
    [Buffer.from('{"add":{"path":"x"}}\n'), 'line 1 is no action: size is not an integer'],
    [Buffer.from('[]\n'), 'line 1'],
    [Buffer.from(''), 'is empty'],
  ] as const) {
    await store.put(entryKey('t', 2n), body)
    await expect(open(store).snapshot()).rejects.toMatchObject({
      code: 'TABLE_CORRUPT',
      message: expect.stringMatching(new RegExp(`${versionName(2n)}\\.json:? .*${what}`)),
    })
  }
})

test('a running reader sees what others commit without reading the log again', async () => {
  const store = newStore()
  const writer = await build(store, 3)
  let reads = 0
  const counted: ObjectStore = { ...store, get: (key) => store.get(key).finally(() => reads++) }
  const reader = open(counted)
  expect((await liveFiles(reader)).size).toBe(3)
  reads = 0
  for (let v = 3; v < 6; v++) await commit(writer, [addAction(`f${v}`)])
  expect((await liveFiles(reader)).size).toBe(6)
  expect(reads).toBe(5) // three entries, that there is no fourth, and that the table is still the same
})

test('a snapshot stays as it was while the table moves on', async () => {
  const store = newStore()
  const table = await build(store, 400)
  const before = await table.snapshot()
  await commit(table, [removeAction('f7'), addAction('g')])
  const after = await table.snapshot()
  const [then, now] = [(await before?.files())!, (await after?.files())!]
  expect([then.size, then.has('f7'), then.has('g')]).toEqual([400, true, false])
  expect([now.size, now.has('f7'), now.has('g')]).toEqual([400, false, true])
})

test('a table that was removed and created again is noticed', async () => {
  const store = newStore()
  let nowMs = 0
  const table = openDeltaTable(tableOptions(store, { clock: { nowMs: () => nowMs, sleep: async () => {} } }))
  for (let v = 0; v < 4; v++) await commit(table, [...(v === 0 ? creation('old') : []), addAction(`f${v}`)])
  for (let v = 0n; v < 4n; v++) await store.delete(entryKey('t', v))
  const other = open(store)
  for (let v = 0; v < 6; v++) await commit(other, [...(v === 0 ? creation('new') : []), addAction(`g${v}`)])
  nowMs = 120_000
  expect((await table.snapshot())?.metaData.id).toBe('new')
})

test('integers beyond doubles survive log, checkpoint and snapshot', async () => {
  const big = 2n ** 53n + 1n
  const store = newStore()
  const table = open(store, 1)
  await commit(table, [
    ...creation(),
    addAction('f', { size: big, stats: `{"numRecords":${big}}` }),
    txnAction('a', big),
  ])
  await commit(table, [txnAction('b', 2n ** 63n - 1n)])
  await store.delete(entryKey('t', 0n)) // only the checkpoint is left of it
  const snapshot = await open(store).snapshot()
  expect((await snapshot?.files())?.get('f')).toMatchObject({ size: big, stats: `{"numRecords":${big}}` })
  expect(snapshot?.txns.get('a')?.version).toBe(big)
  expect(snapshot?.txns.get('b')?.version).toBe(2n ** 63n - 1n)
})
