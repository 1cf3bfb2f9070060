import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Clock } from './contracts.ts'
import { type Duckdb, openDuckdb } from './duckdb.ts'
import { duckdbStore } from './duckdb-store.ts'

let dir: string
let duckdb: Duckdb

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-store-'))
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: join(dir, 'spill') })
})
afterEach(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true })
})

/** Uses a store, and again while a transaction of another connection, begun in between, has not let go of its file. */
async function useWhileHeld(clock: (release: () => Promise<void>) => Clock): Promise<unknown> {
  return duckdb.withConnection(async (holder) => {
    const store = duckdbStore({
      path: join(dir, 's.duckdb'),
      duckdb: async () => duckdb,
      clock: clock(() => holder.run('COMMIT')),
    })
    await store.use('write', async (connection) => {
      await connection.run('CREATE TABLE t AS SELECT 1 AS id')
      await holder.run('BEGIN')
      await holder.rows('SELECT * FROM duckdb_tables()')
    })
    return store
      .use('read', (connection) => connection.rows('SELECT id FROM t'))
      .finally(() => holder.run('ROLLBACK').catch(() => {}))
  })
}

test('a store waits for transactions of its own process that hold the file, longer than for another process', async () => {
  let nowMs = 0
  const rows = await useWhileHeld((release) => ({
    nowMs: () => nowMs,
    async sleep(ms) {
      nowMs += ms
      if (nowMs > 10_000) await release().catch(() => {})
    },
  }))
  expect(rows).toEqual([{ id: 1 }])
})

test('a store that its own process never lets go of is busy, which may pass', async () => {
  let nowMs = 0
  const clock: Clock = {
    nowMs: () => nowMs,
    async sleep(ms) {
      nowMs += ms
    },
  }
  await expect(useWhileHeld(() => clock)).rejects.toMatchObject({
    code: 'STORE_BUSY',
    retryable: true,
    message: `store ${join(dir, 's.duckdb')} is held by this process (try again when it is done)`,
  })
})

/** The database, whose disk is full whenever a file is let go of. */
function fullOnDetach(): Duckdb {
  return {
    ...duckdb,
    withConnection: (work) =>
      duckdb.withConnection((connection) =>
        work({
          ...connection,
          async run(sql) {
            await connection.run(sql)
            if (sql.startsWith('DETACH')) throw new Error('IO Error: CHECKPOINT failed: No space left on device')
          },
        }),
      ),
  }
}

test('a store that cannot be closed for lack of room says so, may be tried again, and keeps what was committed', async () => {
  const path = join(dir, 's.duckdb')
  const work = duckdbStore({ path, duckdb: async () => fullOnDetach() }).use('write', (connection) =>
    connection.run('CREATE TABLE t AS SELECT 1 AS id'),
  )
  await expect(work).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    retryable: true,
    message: expect.stringContaining(`store ${path} could not be closed`),
  })
  const rows = await duckdbStore({ path, duckdb: async () => duckdb }).use('read', (c) => c.rows('SELECT id FROM t'))
  expect(rows).toEqual([{ id: 1 }])
})

test('why the work on a store failed is told, even if the store cannot be closed either', async () => {
  const store = duckdbStore({ path: join(dir, 's.duckdb'), duckdb: async () => fullOnDetach() })
  const failing = store.use('write', () => Promise.reject(new Error('the work itself')))
  await expect(failing).rejects.toThrow('the work itself')
})
