import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import { type Duckdb, identifier, openDuckdb } from '../../engine/duckdb.ts'
import { localStore } from '../storage/local.ts'
import { changeTypeColumn } from './change-feed.ts'
import { openDeltaTable } from './delta-table.ts'
import { selectFiles, selectTable } from './read.ts'
import { deltaSource } from './source.ts'
import { tableOptions } from './tables.testing.ts'

const archives = resolve(import.meta.dirname, '../../../shared/data/delta-golden')
const checks = resolve(import.meta.dirname, '../../checks')
const here = existsSync(archives)

const dir = mkdtempSync(join(tmpdir(), 'millrace-golden-'))
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

test.skipIf(!here).each([
  ['reads as it must', 'golden-tables.ts'],
  ['breaks no rule of the linter, unless it was made to', 'lint-golden-tables.ts'],
])('every table of the reference implementation %s (needs ../shared/data)', (_what, file) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(checks, file), archives], { encoding: 'utf8' })
  expect(stdout.split('\n').filter((line) => line.startsWith('WRONG'))).toEqual([])
  expect(status, stderr).toBe(0)
})

test.skipIf(!here).each(['app-txn-checkpoint', 'app-txn-no-checkpoint'])(
  'the transactions of %s are those that its writer left (needs ../shared/data)',
  async (name) => {
    execFileSync('tar', ['xzf', join(archives, `extra-${name}.tar.gz`), '-C', dir])
    const table = openDeltaTable(tableOptions(localStore(dir), { path: name, duckdb: async () => duckdb }))
    const txns = [...(await table.snapshot())!.txns.values()].map(({ appId, version }) => [appId, version])
    expect(txns.sort()).toEqual([
      ['my-app', 3n],
      ['my-app2', 2n],
    ])
  },
)

test
  .skipIf(!here)
  .each([
    'basic-with-inserts-deletes-checkpoint',
    'basic-with-inserts-updates',
    'dv-partitioned-with-checkpoint',
    'dv-with-columnmapping',
    'log-replay-dv-key-cases',
    'extra-with-short-dv',
  ])('the changes of %s, version by version, add up to its rows (needs ../shared/data)', async (name) => {
  execFileSync('tar', ['xzf', join(archives, `${name}.tar.gz`), '-C', dir])
  const extra = name.startsWith('extra-')
  const store = localStore(extra ? dir : join(dir, name))
  const path = extra ? name.slice('extra-'.length) : 'delta'
  const open = async () => duckdb
  const table = openDeltaTable(tableOptions(store, { path, duckdb: open }))
  const source = deltaSource({ table, store, changeFeed: true, duckdb: open, clock: systemClock, ids: systemIds })
  const [[sourcePartition, end]] = [...(await source.latest())] as [[string, bigint]]
  const columns = (await table.snapshot())!.columns
  const all = columns.map((column) => identifier(column.name)).join(', ')
  await duckdb.withConnection(async (connection) => {
    await connection.run(
      `CREATE TEMP TABLE changes AS SELECT *, 0 AS change FROM (${selectFiles({ columns, files: [] })})`,
    )
    for (let start = 0n; start < end; start++) {
      const { files } = await source.files({ sourcePartition, start, end: start + 1n }, dir)
      for (const { path: file, constants } of files) {
        const texts = Object.entries(constants).map(([key, value]) => [key, value === null ? null : String(value)])
        const local = { path: file, constants: Object.fromEntries(texts) }
        const rows = selectFiles({ columns: [...columns, changeTypeColumn], files: [local] })
        const by = `CASE WHEN _change_type IN ('insert', 'update_postimage') THEN 1 WHEN _change_type IN ('delete', 'update_preimage') THEN -1 END`
        await connection.run(`INSERT INTO changes SELECT ${all}, ${by} FROM (${rows})`)
      }
    }
    const sums = `SELECT ${all}, sum(change) AS n FROM (SELECT * FROM changes) GROUP BY ALL HAVING sum(change) <> 0`
    const now = await selectTable({
      snapshot: (await table.snapshot())!,
      store,
      tablePath: path,
      duckdb: async () => duckdb,
    })
    const rows = `SELECT ${all}, count(*) AS n FROM (${now}) GROUP BY ALL`
    const [{ n } = {}] = await connection.rows(`SELECT count(*) AS n FROM (${rows})`)
    expect(Number(n)).toBeGreaterThan(0)
    expect(await connection.rows(`(${sums}) EXCEPT (${rows})`)).toEqual([])
    expect(await connection.rows(`(${rows}) EXCEPT (${sums})`)).toEqual([])
  })
})
