/**
 * Reads tables that the reference implementation wrote and compares their rows, as multisets, with those that it expects.
 *
 *   node checks/golden-tables.ts FOLDER
 *
 * FOLDER holds an archive `<name>.tar.gz` for each case: tables (folders with a log), and beside some of them a folder
 * `expected` with the rows as Parquet. Prints a line for each table; exit 1 if any of them is not as it must be.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import { selectTable } from '../connectors/delta/read.ts'
import { localStore } from '../connectors/storage/local.ts'
import { duckdbType } from '../engine/batch/duckdb-types.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import { type Duckdb, identifier, literal, openDuckdb } from '../engine/duckdb.ts'
import { MillraceError } from '../engine/errors.ts'
import { goldenTables } from './golden-archives.ts'

/** Cases that no reader can read, and what they must be refused for. Everything else must be read. */
const refused: Readonly<Record<string, RegExp>> = {
  'data-reader-absolute-paths-escaped-chars': /there is no metaData action/,
  'deltalog-invalid-protocol-version': /needs reader version 99/,
  'deltalog-state-reconstruction-from-checkpoint-missing-metadata': /there is no metaData action/,
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol': /there is no protocol action/,
  'deltalog-state-reconstruction-without-metadata': /there is no metaData action/,
  'deltalog-state-reconstruction-without-protocol': /there is no protocol action/,
  // logs without the data files that they name
  checkpoint: /file is missing: .*\/15 /,
  'delete-re-add-same-file-different-transactions': /file is missing: .*\/foo /,
  'deltalog-commit-info': /file is missing: .*\/abc /,
  'extra-app-txn-with-last-updated': /file is missing: .*\.parquet /,
  'log-replay-special-characters-b': /file is missing: .*\/special p@#h /,
}

/** Where a writer left times without a zone in its partition values: the zone that it was in. */
const timeZones: Readonly<Record<string, string>> = { 'data-reader-partition-values': 'America/Los_Angeles' }

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('name the folder of the archives')
const root = mkdtempSync(join(tmpdir(), 'millrace-golden-'))
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 29, threads: 2, tempDir: join(root, 'spill') })
let wrong = 0
try {
  for (const { name, path, inside } of goldenTables(folder, root)) {
    const { fine, line } = await judge(name, path)
    if (!fine) wrong += 1
    console.log(`${fine ? 'ok   ' : 'WRONG'} ${name} ${inside}: ${line.replaceAll(`${root}/`, '')}`)
  }
} finally {
  await duckdb.close()
  rmSync(root, { recursive: true, force: true })
}
console.log(JSON.stringify({ check: 'golden-tables', wrong }))
process.exit(wrong === 0 ? 0 : 1)

interface Judgement {
  readonly fine: boolean
  readonly line: string
}

async function judge(name: string, path: string): Promise<Judgement> {
  const expectedRefusal = refused[name]
  try {
    const line = await compare(duckdb, path, timeZones[name])
    return { fine: expectedRefusal === undefined && !line.startsWith('different'), line }
  } catch (error) {
    if (!(error instanceof MillraceError)) return { fine: false, line: String(error) }
    return { fine: expectedRefusal?.test(error.message) === true, line: `refused: ${error.code}: ${error.message}` }
  }
}

async function compare(database: Duckdb, path: string, timeZone: string | undefined): Promise<string> {
  const [lake, tablePath] = [localStore(dirname(path)), basename(path)]
  const table = openDeltaTable({
    store: lake,
    path: tablePath,
    duckdb: async () => database,
    clock: systemClock,
    ids: systemIds,
    stagingDir: root,
  })
  const snapshot = await table.snapshot()
  if (snapshot === null) return 'different: no table was found'
  const ours = await selectTable({
    snapshot,
    store: lake,
    tablePath,
    duckdb: async () => database,
    ...(timeZone === undefined ? {} : { timeZone }),
  })
  return database.withConnection(async (connection) => {
    const count = async (query: string) => {
      const [row] = await connection.rows(`SELECT count(*) AS n FROM (${query})`)
      return Number(row!.n)
    }
    const expected = join(dirname(path), 'expected')
    if (!existsSync(expected)) return `${await count(ours)} rows, none to compare with`
    const columns = snapshot.columns.map(
      ({ name, type }) => `CAST(${identifier(name)} AS ${duckdbType(type)}) AS ${identifier(name)}`,
    )
    const files = literal(join(expected, '*.parquet'))
    const theirs = `SELECT ${columns.join(', ')} FROM read_parquet(${files}, hive_partitioning = false)`
    const { names } = await connection.describe(`SELECT * FROM read_parquet(${files}, hive_partitioning = false)`)
    const others = names.filter((each) => !snapshot.columns.some((column) => column.name === each))
    if (others.length > 0) return `different: columns ${others.join(', ')} are expected and not there`
    const [lost, extra] = [
      await count(`(${theirs}) EXCEPT ALL (${ours})`),
      await count(`(${ours}) EXCEPT ALL (${theirs})`),
    ]
    if (lost + extra > 0) return `different: ${lost} rows are missing, ${extra} are too many`
    return `${await count(ours)} rows, equal`
  })
}
