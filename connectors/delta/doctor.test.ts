import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../engine/clock.ts'
import type { ObjectStore } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { memoryStore } from '../storage/memory.ts'
import { openDeltaTable } from './delta-table.ts'
import { type Diagnosis, examineTable } from './doctor.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { entryKey } from './log-entry.ts'
import { registerReader } from './readers.ts'
import type { TableSinkOptions } from './sink.ts'
import { tableOptions } from './tables.testing.ts'
import { checksumKey } from './version-checksum.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

async function make(path: string, queries: readonly string[], options: Partial<TableSinkOptions> = {}): Promise<void> {
  const sink = lake.sink(path, options)
  for (const [i, query] of queries.entries())
    await sink.commit(batch(BigInt(i), BigInt(i) + 1n, await lake.stage(query)))
  await sink.close()
}

/** A copy of a table that may be broken. */
async function copyOf(path: string): Promise<ObjectStore> {
  const store = memoryStore({ localDir: lake.dir })
  for await (const { key } of lake.store.list(`${path}/`))
    await store.put(key.replace(path, 't'), (await lake.store.get(key))!)
  return store
}

async function examine(store: ObjectStore, deep = false): Promise<Diagnosis[]> {
  const parts = { store, duckdb: async () => lake.duckdb, clock: systemClock }
  return examineTable({ ...parts, table: openDeltaTable(tableOptions(store, parts)), deep })
}

const of = (found: readonly Diagnosis[]) => found.map(({ severity, what }) => `${severity}: ${what}`)

async function editEntry(store: ObjectStore, version: bigint, change: (text: string) => string): Promise<void> {
  const text = Buffer.from((await store.get(entryKey('t', version)))!).toString()
  await store.put(entryKey('t', version), Buffer.from(change(text)))
}

const rich = `SELECT range AS id, CASE WHEN range % 3 = 0 THEN NULL ELSE 'text ' || range END AS text,
  TIMESTAMPTZ '2024-05-05 10:00:00.123456+00' + INTERVAL (range) SECOND AS at, (range - 5)::DOUBLE / 3 AS d,
  DATE '1898-01-01' + range::INTEGER AS day, (range / 7)::DECIMAL(9, 3) AS price, {'inner': range::INTEGER} AS s FROM range(20)`

test('a table in good health has nothing to tell, looked at closely or not', async () => {
  await make('sound', [rich])
  const write = { mode: 'merge', key: ['id'], newer: ['v'] } as const
  const rounds = [0, 1, 2].map(
    (v) => `SELECT range AS id, ${v} AS v, 'p' || range % 2 AS p FROM range(${100 - v * 45})`,
  )
  const parted = { write, partitionBy: ['p'], changeFeed: true, deletionVectors: true }
  await make('marked', rounds, { ...parted, marking: { mostShare: 1, leastBytes: 0n } })
  for (const path of ['sound', 'marked'])
    for (const deep of [false, true])
      expect(of(await examine(await copyOf(path), deep)).filter((line) => !line.startsWith('advice'))).toEqual([])
})

test('files that are gone or cut short are named, and so is a log that breaks the rules', async () => {
  await make('broken', ['SELECT 1 AS id', 'SELECT 2 AS id', 'SELECT 3 AS id'])
  const store = await copyOf('broken')
  const files: string[] = []
  for await (const { key } of store.list('t/part-')) files.push(key.slice('t/'.length))
  await store.delete(`t/${files[0]}`)
  await store.put(`t/${files[1]}`, Buffer.from('PAR1'))
  const checksum = Buffer.from((await store.get(checksumKey('t', 2n)))!).toString()
  await store.put(checksumKey('t', 2n), Buffer.from(checksum.replace('"numFiles":3', '"numFiles":9')))
  const found = of(await examine(store, true))
  expect(found).toContain(`error: file is missing: ${files[0]}`)
  expect(found.join('\n')).toMatch(new RegExp(`file has 4 bytes where the log says \\d+: ${files[1]}`))
  expect(found.join('\n')).toContain('error: checksum-mismatch')
})

test.each([
  [
    'rows',
    (text: string) => text.replace('\\"numRecords\\":20', '\\"numRecords\\":21'),
    'it has 20 rows, and 21 in its statistics',
  ],
  [
    'nulls',
    (text: string) => text.replace('\\"text\\":7', '\\"text\\":0'),
    'text has 7 nulls, and 0 in its statistics',
  ],
  [
    'a least value',
    (text: string) => text.replace('\\"id\\":0', '\\"id\\":3'),
    '3 values of id are below its least one',
  ],
  [
    'a greatest value',
    (text: string) => text.replace('\\"inner\\":19', '\\"inner\\":15'),
    '4 values of s.inner are above its greatest one',
  ],
  [
    'a time',
    (text: string) => text.replace('10:00:19.123Z', '10:00:18.122Z'),
    '2 values of at are above its greatest one',
  ],
])('looked at closely, statistics that lie about %s are found', async (_, lie, what) => {
  const path = 'lying'
  if ((await lake.table(path).snapshot()) === null) await make(path, [rich])
  const store = await copyOf(path)
  await editEntry(store, 0n, lie)
  const found = of(await examine(store, true)).filter((line) => !line.includes('checksum'))
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(what)
  expect(found[0]).toMatch(/^error/)
})

test('what could cost less is advised', async () => {
  await make(
    'crowded',
    Array.from({ length: 55 }, (_, i) => `SELECT ${i} AS id`),
  )
  await registerReader(lake.store, 'crowded', { pipeline: 'slow', version: 2n, seenMs: 0 })
  const marked = { write: { mode: 'merge', key: ['id'], newer: ['v'] }, deletionVectors: true } as const
  await make('holes', ['SELECT range AS id, 0 AS v FROM range(100)', 'SELECT range AS id, 1 AS v FROM range(30)'], {
    ...marked,
    marking: { mostShare: 1, leastBytes: 0n },
  })
  expect(of(await examine(await copyOf('crowded')))).toEqual(['advice: 55 of 55 files are smaller than 8 MiB'])
  expect(of(await examine(await copyOf('holes')))).toEqual([
    'advice: 23 % of the rows in files are deleted, and read all the same',
  ])
})

test('a table that cannot be read is examined as far as it goes; one that does not exist is refused', async () => {
  await make('newer', ['SELECT 1 AS id'])
  const store = await copyOf('newer')
  await editEntry(store, 0n, (text) =>
    text.replace(
      /\{"protocol":.*\}\}/,
      '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["unheard"],"writerFeatures":["unheard"]}}',
    ),
  )
  expect(of(await examine(store)).join('\n')).toMatch(/error: .*unheard/)
  await expect(examine(memoryStore())).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
})
