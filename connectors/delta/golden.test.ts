import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Duckdb, literals, openDuckdb } from '../../engine/duckdb.ts'
import { localStore } from '../storage/local.ts'
import { openDeltaTable } from './delta-table.ts'
import { rowsOf } from './statistics.ts'
import type { DeltaTable } from './table.ts'
import { tableOptions } from './tables.testing.ts'

const archives = resolve(import.meta.dirname, '../../../shared/data/delta-golden')
const names = existsSync(archives)
  ? readdirSync(archives)
      .filter((file) => file.endsWith('.tar.gz'))
      .map((file) => file.slice(0, -'.tar.gz'.length))
  : []

const dir = mkdtempSync(join(tmpdir(), 'millrace-golden-'))
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

function openAt(root: string, path: string): DeltaTable {
  return openDeltaTable(tableOptions(localStore(root), { path, duckdb: async () => duckdb }))
}

/** Folders of an archive that hold a table. */
function unpack(name: string): string[] {
  execFileSync('tar', ['xzf', join(archives, `${name}.tar.gz`), '-C', dir])
  const found = execFileSync('find', [
    dir,
    '-type',
    'd',
    '-name',
    '_delta_log',
    '-path',
    `*${name.replace('extra-', '')}/*`,
  ])
  return String(found)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(0, -'/_delta_log'.length))
}

/** What the entries of a table say that reading needs, without any of our code. */
function needsOf(table: string): { version: number; features: string[] } {
  const lines = readdirSync(join(table, '_delta_log'))
    .filter((file) => /^\d{20}\.json$/.test(file))
    .sort()
    .flatMap((file) => readFileSync(join(table, '_delta_log', file), 'utf8').split('\n'))
  const protocol = lines.findLast((line) => line.startsWith('{"protocol"'))
  const { minReaderVersion = 1, readerFeatures = [] } = protocol ? JSON.parse(protocol).protocol : {}
  return { version: minReaderVersion, features: readerFeatures }
}

const supported = ['timestampNtz', 'vacuumProtocolCheck']
const damaged = [
  'data-reader-absolute-paths-escaped-chars', // two entries without protocol and metadata before them
  'deltalog-state-reconstruction-from-checkpoint-missing-metadata',
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol',
  'deltalog-state-reconstruction-without-metadata',
  'deltalog-state-reconstruction-without-protocol',
]

describe.skipIf(names.length === 0)(
  'tables written by the reference implementation (../shared/data/delta-golden)',
  () => {
    test.each(names)('%s', async (name) => {
      const tables = unpack(name)
      expect(tables.length).toBeGreaterThan(0)
      for (const root of tables) {
        const table = openAt(join(root, '..'), root.split('/').at(-1)!)
        const { version, features } = needsOf(root)
        const missing = features.filter((feature) => !supported.includes(feature))
        if (damaged.includes(name)) await expect(table.snapshot()).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
        else if (version === 2 || version > 3)
          await expect(table.snapshot()).rejects.toMatchObject({ code: 'TABLE_UNSUPPORTED' })
        else if (missing.length > 0)
          await expect(table.snapshot()).rejects.toMatchObject({
            code: 'TABLE_UNSUPPORTED',
            message: expect.stringContaining(missing.join(', ')),
          })
        else await compareRows(table, root)
      }
    })
  },
)

test
  .skipIf(!names.includes('extra-app-txn-checkpoint'))
  .each(['extra-app-txn-checkpoint', 'extra-app-txn-no-checkpoint'])(
  'the transactions of %s are those that its writer left',
  async (name) => {
    const [root] = unpack(name)
    const snapshot = await openAt(join(root!, '..'), root!.split('/').at(-1)!).snapshot()
    const txns = [...snapshot!.txns.values()].map(({ appId, version }) => [appId, version])
    expect(txns.sort()).toEqual([
      ['my-app', 3n],
      ['my-app2', 2n],
    ])
  },
)

test.skipIf(names.length > 0)('golden tables are not here: nothing was compared', () => {})

async function compareRows(table: DeltaTable, root: string): Promise<void> {
  const snapshot = await table.snapshot()
  if (snapshot === null) throw new Error('expected a table')
  const expected = join(root, '..', 'expected')
  if (!existsSync(expected)) return
  const live = [...snapshot.files.values()].map((add) => join(root, decodeURIComponent(add.path)))
  expect(await count(live)).toBe(
    await count(
      readdirSync(expected)
        .filter((f) => f.endsWith('.parquet'))
        .map((f) => join(expected, f)),
    ),
  )
  const said = [...snapshot.files.values()].map(rowsOf)
  if (said.every((rows) => rows !== null)) expect(said.reduce((sum, rows) => sum! + rows!, 0n)).toBe(await count(live))
}

async function count(files: readonly string[]): Promise<bigint> {
  if (files.length === 0) return 0n
  const escaped = files.map((file) => file.replaceAll(/[*?[]/g, (char) => `[${char}]`))
  const query = `SELECT sum(num_rows) AS n FROM parquet_file_metadata(${literals(escaped)})`
  const [row] = await duckdb.withConnection((connection) => connection.rows(query))
  return BigInt(String(row?.n))
}
