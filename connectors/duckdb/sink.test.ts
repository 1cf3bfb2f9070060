import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../../engine/clock.ts'
import type { CommitOutcome, Sink, SinkCommit } from '../../engine/contracts.ts'
import { type Duckdb, literal, openDuckdb } from '../../engine/duckdb.ts'
import { duckdbStore } from '../../engine/duckdb-store.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import type { OlapOptions } from '../olap/description.ts'
import { olapSink } from './sink.ts'
import { openOlapStore } from './store.ts'

const casts: OlapOptions = {
  tables: {
    titles: { from: 'title-rows', key: ['id'], owner: { id: 'title_id' } },
    casts: { from: 'cast-rows', key: ['title_id', 'credit_key'], owner: { title_id: 'title_id' } },
  },
  owners: 'touched',
  views: { people: { sql: 'SELECT DISTINCT person FROM casts' } },
}

let duckdb: Duckdb
let dir: string
let files = 0
let batches = 0

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: tmpdir() })
})
afterAll(() => duckdb.close())
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-olap-'))
})
afterEach(() => {
  armFault(null)
  rmSync(dir, { recursive: true, force: true })
})

function open(description = casts) {
  const store = duckdbStore({ path: join(dir, 'olap.duckdb'), duckdb: async () => duckdb, patience: { limitMs: 50 } })
  return { sink: olapSink({ store, description, clock: systemClock }), ...openOlapStore(store), release: store.release }
}

async function parquet(query: string): Promise<ParquetFile> {
  files += 1
  const path = join(dir, `${files}.parquet`)
  return duckdb.withConnection((connection) => copyToParquet(connection, query, path))
}

interface Batch {
  readonly title: bigint
  readonly name: string
  /** Credit key and person; null deletes the title. */
  readonly cast: readonly (readonly [key: string, person: string])[] | null
}

async function outputs(titles: readonly Batch[]): Promise<Map<string, ParquetFile[]>> {
  const alive = titles.filter((title) => title.cast !== null)
  const rows = titles.flatMap(({ title, cast }) =>
    (cast ?? []).map(([key, person]) => `(${title}, ${literal(key)}, ${literal(person)})`),
  )
  const result = new Map([
    [
      'touched',
      [
        await parquet(
          valuesOf(
            titles.map((t) => `(${t.title})`),
            'title_id',
          ),
        ),
      ],
    ],
  ])
  if (alive.length > 0) {
    const named = alive.map((t) => `(${t.title}, ${literal(t.name)})`)
    result.set('title-rows', [await parquet(valuesOf(named, 'id, name'))])
  }
  if (rows.length > 0) result.set('cast-rows', [await parquet(valuesOf(rows, 'title_id, credit_key, person'))])
  return result
}

function valuesOf(rows: readonly string[], columns: string): string {
  const [first] = columns.split(', ')
  return `SELECT * REPLACE (${first}::BIGINT AS ${first}) FROM (VALUES ${rows.join(', ')}) v(${columns})`
}

async function commit(sink: Sink, given: Partial<SinkCommit>, at = batches): Promise<CommitOutcome> {
  batches = at + 1
  return sink.commit(commitAt(at, given))
}

test('rows of touched owners are replaced with the fewest writes', async () => {
  const { sink, rows, counts } = open()
  const first = await outputs([
    {
      title: 1n,
      name: 'one',
      cast: [
        ['a', 'Ann'],
        ['b', 'Bob'],
      ],
    },
    { title: 2n, name: 'two', cast: [['c', 'Cat']] },
  ])
  expect(await commit(sink, { outputs: first }, 0)).toMatchObject({
    kind: 'committed',
    written: { inserted: 5, views: 1 },
  })
  const second = await outputs([
    {
      title: 1n,
      name: 'one',
      cast: [
        ['a', 'Anna'],
        ['d', 'Dan'],
      ],
    },
  ])
  expect(await commit(sink, { outputs: second }, 1)).toEqual({
    kind: 'committed',
    written: {
      inserted: 1,
      updated: 1,
      deleted: 1,
      unchanged: 1,
      'casts.inserted': 1,
      'casts.updated': 1,
      'casts.deleted': 1,
    },
  })
  expect(await rows('SELECT credit_key, person FROM casts ORDER BY 1')).toEqual([
    { credit_key: 'a', person: 'Anna' },
    { credit_key: 'c', person: 'Cat' },
    { credit_key: 'd', person: 'Dan' },
  ])
  expect(await commit(sink, { outputs: await outputs([{ title: 1n, name: '', cast: null }]) }, 2)).toMatchObject({
    written: { deleted: 3 },
  })
  expect(await counts()).toEqual(
    new Map([
      ['casts', 1],
      ['titles', 1],
    ]),
  )
  expect(await rows('SELECT * FROM people')).toEqual([{ person: 'Cat' }])
})

test('any sequence of batches leaves what a plain model holds', async () => {
  const person = fc.constantFrom('Ann', "O'Hara", '"; DROP TABLE casts; --', '🎬', '')
  const title = fc.record({
    title: fc.constantFrom(1n, 2n, 2n ** 53n + 1n, 2n ** 53n + 2n),
    name: person,
    cast: fc.option(fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', "c'"), person), { selector: ([key]) => key })),
  })
  const history = fc.array(fc.uniqueArray(title, { selector: (t) => t.title, minLength: 1 }), {
    minLength: 1,
    maxLength: 5,
  })
  await fc.assert(
    fc.asyncProperty(history, async (cuts) => {
      rmSync(join(dir, 'olap.duckdb'), { force: true })
      const { sink, rows } = open()
      const model = new Map<bigint, Batch>()
      for (const [at, batch] of cuts.entries()) {
        for (const t of batch) model.set(t.title, t)
        expect(await commit(sink, { outputs: await outputs(batch) }, at)).toMatchObject({ kind: 'committed' })
      }
      const expected = [...model.values()]
        .flatMap((t) => (t.cast ?? []).map(([key, p]) => `${t.title}/${key}/${p}`))
        .sort()
      const stored = expected.length === 0 ? [] : await rows('SELECT * FROM casts')
      expect(stored.map((row) => `${row.title_id}/${row.credit_key}/${row.person}`).sort()).toEqual(expected)
    }),
    { numRuns: 16 },
  )
})

test('a fenced commit writes nothing and our own commit is recognised', async () => {
  const { sink, counts } = open()
  const given = { outputs: await outputs([{ title: 1n, name: 'one', cast: [] }]) }
  await commit(sink, given, 0)
  const other = { outputs: await outputs([{ title: 2n, name: 'two', cast: [] }]), txnId: 'other' }
  expect(await commit(sink, other, 0)).toEqual({ kind: 'fenced', position: new Map([['silver', 1n]]) })
  expect(await commit(sink, given, 0)).toMatchObject({ kind: 'already-committed', written: { inserted: 1 } })
  expect(await counts()).toEqual(new Map([['titles', 1]]))
  const totals = { inserted: 1, updated: 0, deleted: 0, unchanged: 0, 'titles.inserted': 1 }
  expect(await sink.position('p')).toEqual({ position: new Map([['silver', 1n]]), fingerprint: 'f', totals })
  expect(await sink.position('q')).toEqual({ position: new Map(), fingerprint: null })
})

test('totals are the sums of all commits, and begin anew in a store of an earlier version', async () => {
  const { sink } = open()
  const store = duckdbStore({ path: join(dir, 'olap.duckdb'), duckdb: async () => duckdb })
  const title = (name: string) => outputs([{ title: 1n, name, cast: [['a', 'Ann']] }])
  await commit(sink, { outputs: await title('one') }, 0)
  await commit(sink, { outputs: await title('two') }, 1)
  await commit(sink, { outputs: await title('two') }, 1)
  expect((await sink.position('p')).totals).toMatchObject({ inserted: 2, updated: 1, unchanged: 1, views: 1 })

  await store.use('write', (connection) => connection.run('ALTER TABLE _millrace_positions DROP COLUMN totals'))
  expect(await sink.position('p')).toEqual({ position: new Map([['silver', 2n]]), fingerprint: 'f' })
  await commit(sink, { outputs: await title('three') }, 2)
  expect(await sink.position('p')).toMatchObject({
    position: new Map([['silver', 3n]]),
    totals: { inserted: 0, updated: 1, unchanged: 1 },
  })
})

test('a fault inside the transaction leaves neither rows nor position', async () => {
  const { sink, counts } = open()
  const given = { outputs: await outputs([{ title: 1n, name: 'one', cast: [['a', 'Ann']] }]) }
  armFault({ point: 'store-before-commit', passage: 1, action: 'throw' })
  await expect(commit(sink, given, 0)).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  expect((await sink.position('p')).position.size).toBe(0)
  expect(await commit(sink, given, 0)).toMatchObject({ kind: 'committed', written: { inserted: 2 } })
  expect(await counts()).toEqual(
    new Map([
      ['casts', 1],
      ['titles', 1],
    ]),
  )
})

test('new columns are added, a changed type is refused by name', async () => {
  const { sink, rows } = open({ tables: { t: { from: 'rows', key: ['id'], owner: { id: 'id' } } }, owners: 'touched' })
  const batch = async (query: string) => ({
    outputs: new Map([
      ['touched', [await parquet(query)]],
      ['rows', [await parquet(query)]],
    ]),
  })
  await commit(sink, await batch(`SELECT 1::BIGINT AS id, 'a' AS name`), 0)
  await commit(sink, await batch(`SELECT 2::BIGINT AS id, 'b' AS name, [{'x': 1::BIGINT}] AS tags`), 1)
  await commit(sink, await batch(`SELECT 3::INTEGER AS id`), 2)
  expect(await rows('SELECT id, name, tags FROM t ORDER BY id')).toEqual([
    { id: 1n, name: 'a', tags: null },
    { id: 2n, name: 'b', tags: [{ x: 1n }] },
    { id: 3n, name: null, tags: null },
  ])
  await expect(commit(sink, await batch(`SELECT 4::BIGINT AS id, 5::BIGINT AS name`), 3)).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('olap table t: column name is string in the store and long in the batch'),
  })
})

test('a view is replaced when its text changes, waits for its tables, and is refused when wrong', async () => {
  const described = (sql: string) => open({ ...casts, views: { v: { sql } } })
  expect(await commit(described('SELECT count(*) AS n FROM casts').sink, {}, 0)).toMatchObject({
    written: { inserted: 0 },
  })
  const given = { outputs: await outputs([{ title: 1n, name: 'one', cast: [['a', 'Ann']] }]) }
  await commit(described('SELECT count(*) AS n FROM casts').sink, given, 1)
  await commit(described('SELECT count(*) + 1 AS n FROM casts').sink, {}, 2)
  expect(await described('').rows('SELECT n FROM v')).toEqual([{ n: 2n }])
  await expect(commit(described('SELEC 1').sink, {}, 3)).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('olap view v is not valid'),
  })
})

test('while a program of others holds the store for longer than anybody waits, commits and queries are refused as busy, naming it', async () => {
  const { sink, rows, release } = open()
  await commit(sink, { outputs: await outputs([{ title: 1n, name: 'one', cast: [] }]) }, 0)
  await release()
  const holder = spawn(process.execPath, ['-e', holdScript(), join(dir, 'olap.duckdb')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    await new Promise((resolve) => holder.stdout.once('data', resolve))
    const busy = { code: 'STORE_BUSY', retryable: true, message: expect.stringContaining(`process ${holder.pid}`) }
    await expect(commit(sink, {}, 1)).rejects.toMatchObject(busy)
    await expect(rows('SELECT 1')).rejects.toMatchObject(busy)
  } finally {
    holder.kill('SIGKILL')
    await new Promise((resolve) => holder.once('exit', resolve))
  }
  expect(await rows('SELECT id FROM titles')).toEqual([{ id: 1n }])
})

function holdScript(): string {
  return `const { DuckDBInstance } = require('@duckdb/node-api')
    DuckDBInstance.create(process.argv[1]).then((db) => { globalThis.db = db; console.log('held'); process.stdin.resume() })`
}

test.each(['store-before-commit', 'store-after-commit'] as const)(
  'killed at %s, a second run converges',
  async (point) => {
    const { sink, rows, release } = open()
    await commit(sink, { outputs: await outputs([{ title: 1n, name: 'one', cast: [['a', 'Ann']] }]) }, 0)
    await release()
    const second = await outputs([{ title: 1n, name: 'uno', cast: [['b', 'Bob']] }])
    const child = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', killScript(point, second)], {
      encoding: 'utf8',
    })
    expect(child.signal, child.stderr).toBe('SIGKILL')
    const landed = point === 'store-after-commit'
    expect((await sink.position('p')).position).toEqual(new Map([['silver', landed ? 2n : 1n]]))
    expect(await rows('SELECT name FROM titles')).toEqual([{ name: landed ? 'uno' : 'one' }])
    expect(await commit(sink, { outputs: second }, 1)).toMatchObject({
      kind: landed ? 'already-committed' : 'committed',
    })
    expect(await rows('SELECT name, person FROM titles JOIN casts ON id = title_id')).toEqual([
      { name: 'uno', person: 'Bob' },
    ])
  },
)

function killScript(point: string, given: Map<string, readonly ParquetFile[]>): string {
  const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const plain = [...given].map(([name, list]) => [name, list.map(({ path, columns }) => ({ path, columns }))])
  return `
    import { openDuckdb } from ${here('../../engine/duckdb.ts')}
    import { duckdbStore } from ${here('../../engine/duckdb-store.ts')}
    import { systemClock } from ${here('../../engine/clock.ts')}
    import { armFault } from ${here('../../engine/fault-points.ts')}
    import { olapSink } from ${here('./sink.ts')}
    const duckdb = openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: ${JSON.stringify(dir)} })
    const store = duckdbStore({ path: ${JSON.stringify(join(dir, 'olap.duckdb'))}, duckdb: () => duckdb })
    armFault({ point: ${JSON.stringify(point)}, passage: 1, action: 'kill' })
    await olapSink({ store, description: ${JSON.stringify(casts)}, clock: systemClock }).commit({
      pipeline: 'p', txnId: 't1', fingerprint: 'f', initial: new Map(), columns: new Map(), signal: new AbortController().signal,
      ranges: [{ sourcePartition: 'silver', start: 1n, end: 2n }],
      outputs: new Map(${JSON.stringify(plain)}),
    })`
}
