/**
 * Compares what another engine read of tables and change feeds with what we exported (checks/export.ts), as multisets.
 *
 *   node checks/compare-exports.ts EXPORT_DIR THEIRS [--without TABLE.COLUMN]...
 *
 * THEIRS has a folder of Parquet files `<name>.rows`, and maybe `<name>.changes`, for each of ours. `--without` leaves out a
 * column that the other engine has no values for. Prints a line for each; exit 1 if a row differs or a table is not there.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeColumns, duckdbType } from '../engine/batch/duckdb-types.ts'
import { identifier, literal, openDuckdb } from '../engine/duckdb.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { without: { type: 'string', multiple: true, default: [] } },
})
const [exported = '', theirs = ''] = positionals
const spill = mkdtempSync(join(tmpdir(), 'millrace-compare-'))
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 29, threads: 2, tempDir: spill })
let wrong = 0
for (const file of readdirSync(exported).sort()) {
  const name = file.replace(/\.parquet$/, '')
  const folder = join(theirs, name)
  if (!existsSync(folder) && name.endsWith('.changes')) continue
  const different = existsSync(folder) ? await differing(name, join(exported, file), folder) : 'it is not there'
  console.log(`${name}: ${different === 0 ? 'equal' : `${different} differ`}`)
  if (different !== 0) wrong += 1
}
await duckdb.close()
rmSync(spill, { recursive: true, force: true })
process.exit(wrong === 0 ? 0 : 1)

/** Rows that only one of them has. */
async function differing(name: string, ours: string, folder: string): Promise<number> {
  const [mine, other] = [
    `SELECT * FROM read_parquet(${literal(ours)})`,
    `SELECT * FROM read_parquet(${literal(join(folder, '*.parquet'))}, hive_partitioning = false)`,
  ]
  return duckdb.withConnection(async (connection) => {
    const table = name.split('.')[0]
    const columns = (await describeColumns(connection, mine)).filter(
      (column) => !values.without.includes(`${table}.${column.name}`),
    )
    const select = columns
      .map(({ name: column, type }) => `CAST(${identifier(column)} AS ${duckdbType(type)}) AS ${identifier(column)}`)
      .join(', ')
    const [left, right] = [`SELECT ${select} FROM (${mine})`, `SELECT ${select} FROM (${other})`]
    const only = async (one: string, two: string) => {
      const [row] = await connection.rows(`SELECT count(*) AS n FROM ((${one}) EXCEPT ALL (${two}))`)
      return Number(row!.n)
    }
    return (await only(left, right)) + (await only(right, left))
  })
}
