import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { localStore } from '../storage/local.ts'
import { openDeltaTable } from './delta-table.ts'
import { tableOptions } from './tables.testing.ts'

const archives = resolve(import.meta.dirname, '../../../shared/data/delta-golden')
const check = resolve(import.meta.dirname, '../../checks/golden-tables.ts')
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

test.skipIf(!here)('every table of the reference implementation reads as it must (needs ../shared/data)', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [check, archives], { encoding: 'utf8' })
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
