import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { armFault } from '../../engine/fault-points.ts'
import { localStore } from '../storage/local.ts'
import { memoryStore } from '../storage/memory.ts'
import { CommitNotAllowed } from './commit.ts'
import { contend } from './contending-process.testing.ts'
import { openDeltaTable } from './delta-table.ts'
import { commitInfoOf, entryKey, printLogEntry } from './log-entry.ts'
import type { DeltaTable, LogEntry, Snapshot } from './table.ts'
import {
  addAction,
  countingIds,
  creation,
  liveFiles,
  removeAction,
  tableOptions,
  transaction,
  txnAction,
} from './tables.testing.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-commit-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
afterEach(() => armFault(null))

async function create(store: ObjectStore): Promise<DeltaTable> {
  const table = openDeltaTable(tableOptions(store))
  expect(await table.commit(transaction(null, creation()))).toEqual({ kind: 'committed', version: 0n })
  return table
}
async function newest(table: DeltaTable): Promise<Snapshot> {
  const snapshot = await table.snapshot()
  if (snapshot === null) throw new Error('expected a table')
  return snapshot
}
async function entries(table: DeltaTable): Promise<LogEntry[]> {
  const all: LogEntry[] = []
  for await (const entry of table.entries(0n, (await newest(table)).version + 1n)) all.push(entry)
  return all
}
function addedPaths(log: readonly LogEntry[]): string[] {
  return log.flatMap(({ actions }) => actions.flatMap((action) => ('add' in action ? [action.add.path] : [])))
}

test('a commit says what it did, commitInfo first', async () => {
  const table = await create(memoryStore())
  await table.commit(
    transaction(await newest(table), [addAction('a')], {
      txnId: 'one',
      operationParameters: { mode: 'Append' },
      operationMetrics: { numFiles: '1' },
      millrace: { pipeline: 'p', fingerprint: 'f', ranges: { 't/0': ['0', '9007199254740993'] } },
    }),
  )
  const [, entry] = await entries(table)
  expect(entry?.actions[0]).toEqual({
    commitInfo: {
      timestamp: 1_700_000_000_000n,
      operation: 'WRITE',
      operationParameters: { mode: 'Append' },
      readVersion: 0n,
      isBlindAppend: true,
      operationMetrics: { numFiles: '1' },
      engineInfo: 'millrace',
      txnId: 'one',
      millrace: { pipeline: 'p', fingerprint: 'f', ranges: { 't/0': ['0', '9007199254740993'] } },
    },
  })
  await table.commit(transaction(await newest(table), [removeAction('a')]))
  expect(commitInfoOf((await entries(table))[2]!)?.isBlindAppend).toBe(false)
})

const opening = `
import { localStore } from ${JSON.stringify(new URL('../storage/local.ts', import.meta.url).href)}
const [stagingDir] = process.argv.slice(3)
const store = localStore(stagingDir)
`

async function runWriter(root: string, name: string, commits: number): Promise<void> {
  const status = await contend({ opening, args: [root], name, commits })
  if (status !== 0) throw new Error(`writer ${name} ended with ${status}`)
}

test('four processes that contend for a table each get every commit in, once', async () => {
  const root = join(dir, 'contended')
  const table = await create(localStore(root))
  const names = ['a', 'b', 'c', 'd']
  await Promise.all(names.map((name) => runWriter(root, name, 250)))
  const snapshot = await newest(table)
  expect(snapshot.version).toBe(1000n)
  expect(addedPaths(await entries(table)).sort()).toEqual(
    names.flatMap((name) => Array.from({ length: 250 }, (_, i) => `${name}-${i}`)).sort(),
  )
  for (const name of names) expect(snapshot.txns.get(name)?.version).toBe(250n)
}, 60_000)

/** A store that now and then does what it was asked and then loses the answer, or does nothing and fails. */
function unreliable(store: ObjectStore, random: () => number): ObjectStore {
  return {
    ...store,
    async putIfAbsent(key, body) {
      if (!key.endsWith('.json')) return store.putIfAbsent(key, body)
      const chance = random()
      if (chance < 0.1) throw new Error('connection reset before the request')
      const created = await store.putIfAbsent(key, body)
      if (chance < 0.3) throw new Error('connection reset before the answer')
      return created
    },
  }
}

test.each([1, 2, 3])('lost answers neither duplicate nor fail a commit (seed %i)', async (seed) => {
  const store = memoryStore()
  await create(store)
  const ids = countingIds(seed)
  const results: Record<string, number> = {}
  const work = async (name: string): Promise<void> => {
    const table = openDeltaTable(tableOptions(unreliable(store, ids.random), { ids }))
    for (let i = 0; i < 150; i++) {
      const actions = [addAction(`${name}-${i}`)]
      const result = await table.commit(transaction(await newest(table), actions, { txnId: `${name}-${i}` }))
      results[result.kind] = (results[result.kind] ?? 0) + 1
    }
  }
  await Promise.all([work('a'), work('b')])
  const log = await entries(openDeltaTable(tableOptions(store)))
  expect(addedPaths(log)).toHaveLength(300)
  expect(new Set(addedPaths(log)).size).toBe(300)
  expect(results.committed! + results['already-committed']!).toBe(300)
  expect(results['already-committed']).toBeGreaterThan(20)
})

test('a commit whose answer is lost counts, though the table has moved beyond what we can read since', async () => {
  const store = memoryStore()
  const table = await create(store)
  const future = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['future'], writerFeatures: ['future'] }
  const upgraded: ObjectStore = {
    ...store,
    async putIfAbsent(key, body) {
      await store.putIfAbsent(key, body)
      await store.putIfAbsent(entryKey('t', 2n), printLogEntry([{ protocol: future }]))
      throw new Error('connection reset')
    },
  }
  const late = openDeltaTable(tableOptions(upgraded))
  const result = await late.commit(transaction(await newest(table), [addAction('a')]))
  expect(result).toEqual({ kind: 'already-committed', version: 1n })
  await expect(late.snapshot()).rejects.toMatchObject({ code: 'TABLE_UNSUPPORTED' })
})

test('a store that stays away is reported, not waited for endlessly', async () => {
  const store = memoryStore()
  const table = await create(store)
  let puts = 0
  const away: ObjectStore = {
    ...store,
    async putIfAbsent() {
      puts += 1
      throw new MillraceError('STORAGE_FAILED', 'disk full', { retryable: true })
    },
  }
  const commit = openDeltaTable(tableOptions(away)).commit(transaction(await newest(table), [addAction('a')]))
  await expect(commit).rejects.toMatchObject({ code: 'STORAGE_FAILED', message: 'disk full' })
  expect(puts).toBe(5)
})

test('of two writers of one application exactly one gets in, and the other is refused', async () => {
  const store = memoryStore()
  const table = await create(store)
  const results = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const own = openDeltaTable(tableOptions(store))
      return own.commit(
        transaction(await newest(own), [addAction(name), txnAction('app', 10n)], {
          admits: (snapshot) => (snapshot.txns.get('app')?.version ?? 0n) === 0n,
        }),
      )
    }),
  )
  expect(results.map(({ kind }) => kind).sort()).toEqual(['committed', 'refused'])
  expect((await liveFiles(table)).size).toBe(1)
  const refused = results.find((result) => result.kind === 'refused')
  expect(refused?.kind === 'refused' && refused.head.txns.get('app')?.version).toBe(10n)
})

test('a commit on an old snapshot goes on top of what was added since', async () => {
  const table = await create(memoryStore())
  const old = await newest(table)
  for (const name of ['a', 'b', 'c']) await table.commit(transaction(await newest(table), [addAction(name)]))
  expect(await table.commit(transaction(old, [addAction('d')]))).toEqual({ kind: 'committed', version: 4n })
  expect([...(await liveFiles(table)).keys()]).toEqual(['a', 'b', 'c', 'd'])
})

test('a file is not removed twice', async () => {
  const table = await create(memoryStore())
  await table.commit(transaction(await newest(table), [addAction('a')]))
  const snapshot = await newest(table)
  const remove = () =>
    transaction(snapshot, [removeAction('a'), addAction(`a-${Math.random()}`)], {
      reads: { kind: 'files', files: new Set(['a']), mayMatch: () => false },
    })
  expect((await table.commit(remove())).kind).toBe('committed')
  expect(await table.commit(remove())).toMatchObject({
    kind: 'conflict',
    reason: expect.stringContaining('a was removed'),
  })
  expect((await liveFiles(table)).size).toBe(1)
})

test('a table is created once', async () => {
  const table = await create(memoryStore())
  expect(await table.commit(transaction(null, creation()))).toMatchObject({ kind: 'conflict' })
})

test('a commit is its own, however often it is asked for', async () => {
  const table = await create(memoryStore())
  const once = transaction(await newest(table), [addAction('a')])
  expect((await table.commit(once)).kind).toBe('committed')
  expect(await table.commit(once)).toEqual({ kind: 'already-committed', version: 1n })
})

test('what the table does not allow is refused before anything is written', async () => {
  const store = memoryStore()
  const table = openDeltaTable(tableOptions(store))
  const [protocol, metaData] = creation()
  if (!metaData || !('metaData' in metaData) || !protocol) throw new Error('expected metaData')
  const configuration = { 'delta.appendOnly': 'true' }
  await table.commit(
    transaction(null, [protocol, { metaData: { ...metaData.metaData, configuration } }, addAction('a')]),
  )
  const base = await newest(table)
  const refused = [
    transaction(base, [removeAction('a')]),
    transaction(base, [
      { protocol: { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['x'], writerFeatures: ['x'] } },
    ]),
    transaction(base, [addAction('b'), addAction('b')]),
    transaction(base, [txnAction('a', 1n), txnAction('a', 2n)]),
    transaction(null, [addAction('a')]),
  ]
  for (const each of refused) await expect(table.commit(each)).rejects.toBeInstanceOf(MillraceError)
  for (const each of [...refused.slice(0, 2), refused.at(-1)!])
    await expect(table.commit(each)).rejects.toBeInstanceOf(CommitNotAllowed)
  expect(await store.get(entryKey('t', 1n))).toBeNull()
})

test.each(['before-log-commit', 'after-log-commit'] as const)(
  'a failure %s leaves a table that can go on',
  async (point) => {
    const table = await create(memoryStore())
    const once = transaction(await newest(table), [addAction('a')])
    armFault({ point, passage: 1, action: 'throw' })
    await expect(table.commit(once)).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
    armFault(null)
    expect((await table.commit(once)).kind).toBe(point === 'before-log-commit' ? 'committed' : 'already-committed')
    expect((await liveFiles(table)).size).toBe(1)
  },
)

test('waits between tries are short, random and bounded', async () => {
  const store = memoryStore()
  const table = await create(store)
  const waits: number[] = []
  const clock = { nowMs: systemClock.nowMs, sleep: async (ms: number) => void waits.push(ms) }
  let racing = 30
  const raced: ObjectStore = {
    ...store,
    async putIfAbsent(key, body) {
      if (racing-- > 0) await table.commit(transaction(await newest(table), [addAction(`r-${racing}`)]))
      return store.putIfAbsent(key, body)
    },
  }
  const late = openDeltaTable(tableOptions(raced, { clock, ids: { uuid: systemIds.uuid, random: () => 0.999 } }))
  const result = await late.commit(transaction(await newest(late), [addAction('late')]))
  expect(result).toEqual({ kind: 'committed', version: 31n })
  expect(waits).toHaveLength(30)
  expect(Math.max(...waits)).toBeLessThanOrEqual(500)
  expect(waits[0]).toBeLessThan(10)
})
