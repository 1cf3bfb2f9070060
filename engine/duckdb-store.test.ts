import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Connection, type Duckdb, openDuckdb } from './duckdb.ts'
import { duckdbStore } from './duckdb-store.ts'
import { releaseFilesIn } from './shared-file/shared-file.ts'
import type { Patience } from './shared-file/waiting.ts'

let dir: string
let path: string
let duckdb: Duckdb
const children: ChildProcess[] = []

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-store-'))
  path = join(dir, 's.duckdb')
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: join(dir, 'spill') })
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await releaseFilesIn(dir)
  await duckdb.close()
  rmSync(dir, { recursive: true })
})

function open(patience: Partial<Patience> = {}, idleMs?: number) {
  return duckdbStore({ path, duckdb: async () => duckdb, patience, ...(idleMs === undefined ? {} : { idleMs }) })
}

interface Child {
  readonly process: ChildProcess
  /** The next line that it prints. */
  line(): Promise<string>
  say(text: string): void
}

/** Another process with a `store` at the same path; `heard()` gives the next line that it is told. */
function child(script: string): Child {
  const text = `
    import { createInterface } from 'node:readline'
    const { openDuckdb } = await import(${url('./duckdb.ts')})
    const { duckdbStore } = await import(${url('./duckdb-store.ts')})
    const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
    const heard = async () => (await lines.next()).value
    const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: ${JSON.stringify(join(dir, 'childs'))} })
    const store = duckdbStore({ path: ${JSON.stringify(path)}, duckdb: async () => duckdb })
    ${script}
    await store.release()
    process.exit(0)`
  return spoken(['--input-type=module-typescript', '-e', text])
}

/** A program that is not ours and has the file open until it is told to end. */
function foreigner(): Child {
  return spoken([
    '-e',
    `require('@duckdb/node-api').DuckDBInstance.create(${JSON.stringify(path)}).then((db) => {
      console.log('held'); process.stdin.once('data', () => { db.closeSync(); process.exit(0) }) })`,
  ])
}

function spoken(words: readonly string[]): Child {
  const process_ = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(process_)
  const lines = createInterface({ input: process_.stdout })[Symbol.asyncIterator]()
  return {
    process: process_,
    line: async () => String((await lines.next()).value),
    say: (text) => void process_.stdin.write(`${text}\n`),
  }
}

function url(file: string): string {
  return JSON.stringify(new URL(file, import.meta.url).href)
}

const count = async (connection: Connection): Promise<unknown> =>
  (await connection.rows('SELECT count(*) AS n FROM t'))[0]?.n

/** Takes seconds, and nothing of what is stored. */
const longQuestion = 'SELECT count(*) AS n FROM range(1000000) a, range(1000000) b WHERE a.range + b.range > 7'

test('a store that is read twice within an open transaction of another pipeline is not seen by it, and breaks nothing', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  await duckdb.withConnection(async (other) => {
    await other.run('BEGIN')
    for (let i = 0; i < 2; i++) {
      await store.release()
      await store.use('read', async (connection) => {
        expect(await count(connection)).toBe(1n)
        // an internal error of DuckDB, fatal for all of its database, where the transaction sees two attachments of one name
        expect(await other.rows('SELECT * FROM duckdb_tables()')).toEqual([])
      })
    }
    await other.run('COMMIT')
  })
})

test('readers see what is committed while a transaction of a writer is open, and cannot write', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  await store.use('write', async (connection) => {
    await connection.run('BEGIN')
    await connection.run('INSERT INTO t VALUES (2)')
    expect(await store.use('read', count)).toBe(1n)
    await connection.run('COMMIT')
    expect(await store.use('read', count)).toBe(2n)
  })
  for (const sql of ['INSERT INTO t VALUES (3)', 'CREATE TABLE u (id INTEGER)', 'DROP TABLE t'])
    await expect(store.use('read', (connection) => connection.run(sql))).rejects.toThrow('read-only')
})

test('a reader sees one state throughout, whatever is committed meanwhile', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  await store.use('read', async (connection) => {
    expect(await count(connection)).toBe(1n)
    await store.use('write', (writer) => writer.run('INSERT INTO t VALUES (2)'))
    expect(await count(connection)).toBe(1n)
  })
})

test('writers take turns, and what one leaves open is rolled back', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 0 AS id'))
  const add = async (connection: Connection): Promise<void> => {
    await connection.run('BEGIN')
    await connection.run('UPDATE t SET id = id + 1')
    await connection.run('COMMIT')
  }
  const forget = async (connection: Connection): Promise<void> => {
    await connection.run('BEGIN')
    await connection.run('UPDATE t SET id = 100')
  }
  await Promise.all([add, forget, add, forget, add].map((work) => store.use('write', work)))
  expect(await store.use('read', (connection) => connection.rows('SELECT id FROM t'))).toEqual([{ id: 3 }])
})

test('a long question blocks neither commits nor other questions, and ends when it is aborted', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  const abort = new AbortController()
  const question = store.use('read', (connection) => connection.rows(longQuestion), abort.signal)
  for (let i = 0; i < 3; i++) {
    await store.use('write', (connection) => connection.run('INSERT INTO t VALUES (2)'))
    await store.use('read', count)
  }
  abort.abort(new Error('no longer wanted'))
  await expect(question).rejects.toThrow('no longer wanted')
  expect(await store.use('read', count)).toBe(4n)
})

test('another process works through the one that has the file open: it reads beside an open transaction, and writes in its turn', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  const other = child(`
    const count = async (c) => String((await c.rows('SELECT count(*) AS n FROM t'))[0].n)
    console.log(await store.use('read', count))
    await heard()
    await store.use('write', async (c) => { await c.run('BEGIN'); await c.run('INSERT INTO t VALUES (3)'); await c.run('COMMIT') })
    console.log(await store.use('read', count))`)
  await store.use('write', async (connection) => {
    await connection.run('BEGIN')
    await connection.run('INSERT INTO t VALUES (2)')
    expect(await other.line()).toBe('1')
    await connection.run('COMMIT')
    other.say('go on')
  })
  expect(await other.line()).toBe('3')
  expect(await store.use('read', count)).toBe(3n)
})

test('two processes write into one store in turn, whoever has it open', async () => {
  const store = open({}, 0)
  const others = [1, 2].map(() =>
    child(`
    for (let i = 0; i < 20; i++)
      for (;;) try {
        await store.use('write', async (c) => { await c.run('CREATE TABLE IF NOT EXISTS t (id INTEGER)'); await c.run('INSERT INTO t VALUES (1)') })
        break
      } catch (error) { if (!error.retryable) throw error }
    console.log('done')`),
  )
  for (let i = 0; i < 20; i++)
    await store.use('write', async (connection) => {
      await connection.run('CREATE TABLE IF NOT EXISTS t (id INTEGER)')
      await connection.run('INSERT INTO t VALUES (2)')
    })
  expect(await Promise.all(others.map((other) => other.line()))).toEqual(['done', 'done'])
  const [row] = await store.use('read', (connection) => connection.rows('SELECT count(*) AS n FROM t'))
  expect(Number(row?.n)).toBe(60)
})

test('results of any type come from another process as they would from this one', async () => {
  const other = child(`
    await store.use('write', (c) => c.run('CREATE TABLE t AS SELECT 1 AS id'))
    console.log('open'); await heard()`)
  expect(await other.line()).toBe('open')
  const questions = [
    `SELECT 1::BIGINT AS a, 1.5::DOUBLE AS b, 'x' AS c, NULL AS d, DATE '2020-01-02' AS e, TIMESTAMP '2020-01-02 03:04:05.678' AS f`,
    `SELECT 170141183460469231731687303715884105727::HUGEINT AS a, 12.34::DECIMAL(20, 4) AS b, '\\xAA\\x00'::BLOB AS c, true AS d`,
    `SELECT [1, NULL] AS a, {'x': [DATE '2020-01-02'], 'y': 9007199254740993} AS b, MAP {'k': 1} AS c, [0.5, 1]::FLOAT[2] AS d`,
    `SELECT range AS id, repeat('x', 100) AS text FROM range(5000)`,
    `SELECT 'NaN'::DOUBLE AS a, INTERVAL 3 DAYS AS b, gen_random_uuid() IS NULL AS c, TIMESTAMPTZ '2020-01-02 03:04:05+00' AS d`,
  ]
  const ask = () =>
    open().use('read', async (connection) => {
      const rows = []
      for (const sql of questions) {
        rows.push(await connection.rows(sql), await connection.select(sql, {}), await connection.describe(sql))
        for await (const columns of connection.chunks(sql)) rows.push(columns)
      }
      return rows
    })
  const fromThere = await ask()
  other.say('end')
  await new Promise((resolve) => other.process.once('exit', resolve))
  expect(fromThere).toEqual(await ask())
  await expect(
    open().use('read', (connection) => connection.select('SELECT $a AS a', { a: 'bound' })),
  ).resolves.toEqual([{ a: 'bound' }])
})

test('a process that is killed in a transaction leaves the store as it was, and the next goes on; who reads there reads again', async () => {
  const other = child(`
    await store.use('write', (c) => c.run('CREATE TABLE t AS SELECT 1 AS id'))
    await store.use('write', async (c) => {
      await c.run('BEGIN'); await c.run('INSERT INTO t VALUES (2)'); console.log('open'); await heard() })`)
  expect(await other.line()).toBe('open')
  const store = open()
  let reads = 0
  const reading = store.use('read', async (connection) => {
    reads += 1
    const rows = await count(connection)
    if (reads === 1) other.process.kill('SIGKILL')
    await connection.rows(reads === 1 ? longQuestion : 'SELECT 1')
    return rows
  })
  expect(await reading).toBe(1n)
  expect(reads).toBe(2)
  await store.use('write', (connection) => connection.run('INSERT INTO t VALUES (3)'))
  expect(await store.use('read', (connection) => connection.rows('SELECT id FROM t ORDER BY id'))).toEqual([
    { id: 1 },
    { id: 3 },
  ])
})

test('a writer whose process for the file is killed under it fails, which may pass, and has written nothing', async () => {
  const other = child(`
    await store.use('write', (c) => c.run('CREATE TABLE t AS SELECT 1 AS id'))
    console.log('open'); await heard()`)
  expect(await other.line()).toBe('open')
  const store = open()
  const writing = store.use('write', async (connection) => {
    await connection.run('BEGIN')
    await connection.run('INSERT INTO t VALUES (2)')
    other.process.kill('SIGKILL')
    await connection.run(longQuestion)
    await connection.run('COMMIT')
  })
  await expect(writing).rejects.toMatchObject({
    code: 'STORE_BUSY',
    retryable: true,
    message: `store ${path}: process ${other.process.pid}, which had it open, ended in between (try again: what was not committed was rolled back)`,
  })
  expect(await store.use('read', count)).toBe(1n)
})

test('a writer of another process that is killed in a transaction is rolled back', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  const other = child(`
    await store.use('write', async (c) => {
      await c.run('BEGIN'); await c.run('INSERT INTO t VALUES (2)'); console.log('open'); await c.rows(${JSON.stringify(longQuestion)}) })`)
  expect(await other.line()).toBe('open')
  const next = store.use('write', (connection) => connection.run('INSERT INTO t VALUES (3)'))
  other.process.kill('SIGKILL')
  await next
  expect(await store.use('read', count)).toBe(2n)
})

test('a process that ends lets writers of others finish, and sends readers elsewhere', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  const writer = child(`
    await store.use('write', async (c) => {
      await c.run('BEGIN'); await c.run('INSERT INTO t VALUES (2)'); console.log('open'); await heard(); await c.run('COMMIT') })
    console.log('written')`)
  const reader = child(`
    let reads = 0
    const rows = await store.use('read', async (c) => {
      reads += 1
      console.log('reading')
      if (reads === 1) await heard()
      return c.rows('SELECT id FROM t') })
    console.log(JSON.stringify(rows))`)
  expect(await writer.line()).toBe('open')
  expect(await reader.line()).toBe('reading')
  const ending = store.release()
  reader.say('go on')
  writer.say('go on')
  await ending
  expect(await writer.line()).toBe('written')
  expect(await reader.line()).toBe('reading')
  expect(await reader.line()).toBe('[{"id":1},{"id":2}]')
})

test('a file that a program of others has open is waited for, with a warning that names it', async () => {
  await open().use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  await open().release()
  const holder = foreigner()
  expect(await holder.line()).toBe('held')
  let nowMs = 0
  const waits: string[] = []
  let told = false
  const patience: Partial<Patience> = {
    limitMs: Number.POSITIVE_INFINITY,
    clock: {
      nowMs: () => nowMs,
      // hours pass in a moment, but for the tries, which are real
      sleep: async (ms) => {
        nowMs += ms
        await new Promise((resolve) => setTimeout(resolve, 10))
      },
    },
    onWait: ({ holder, waitedMs }) => {
      waits.push(holder)
      if (waitedMs > 600_000 && !told) holder_()
      told = waitedMs > 600_000
    },
  }
  const holder_ = (): void => holder.say('end')
  await open(patience).use('write', (connection) => connection.run('INSERT INTO t VALUES (2)'))
  expect(nowMs).toBeGreaterThan(600_000)
  expect(waits.at(-1)).toBe(`process ${holder.process.pid}`)
  expect(await open().use('read', count)).toBe(2n)
})

test('where patience has a limit, or the process is to stop, a held file is busy, which may pass', async () => {
  await open().use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  await open().release()
  const holder = foreigner()
  expect(await holder.line()).toBe('held')
  const busy = {
    code: 'STORE_BUSY',
    retryable: true,
    message: `store ${path} is held by process ${holder.process.pid} (try again when it is done)`,
  }
  await expect(open({ limitMs: 300 }).use('read', count)).rejects.toMatchObject(busy)
  await expect(open({ giveUp: AbortSignal.abort() }).use('write', count)).rejects.toMatchObject(busy)
})

test('an unused file is let go of, so that programs of others can open it', async () => {
  const store = open({}, 20)
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  await expect.poll(() => statSync(`${path}.owner`, { throwIfNoEntry: false })).toBe(undefined)
  const holder = foreigner()
  expect(await holder.line()).toBe('held')
})

test('a file that was deleted or replaced is opened again', async () => {
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  for (const ending of ['', '.wal']) rmSync(`${path}${ending}`, { force: true })
  expect(store.exists()).toBe(false)
  await expect(store.use('read', count)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 2 AS id UNION ALL SELECT 3'))
  expect(await store.use('read', count)).toBe(2n)
})

test('the socket is for its user alone, and reached where its path is too long for one', async () => {
  path = join(dir, 'a'.repeat(120), 's.duckdb')
  const store = open()
  await store.use('write', (connection) => connection.run('CREATE TABLE t AS SELECT 1 AS id'))
  expect(statSync(`${path}.owner`).mode & 0o777).toBe(0o700)
  expect(statSync(`${path}.owner/socket`).mode & 0o777).toBe(0o600)
  const other = child(`console.log(JSON.stringify(await store.use('read', (c) => c.rows('SELECT id FROM t'))))`)
  expect(await other.line()).toBe('[{"id":1}]')
  await store.release()
})
