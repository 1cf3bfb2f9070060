/**
 * Merges once into the large table and prints what it cost, as one JSON line. Started by `beside-delta-rs.ts`:
 *
 *   node bench/merge-run.ts <folder of the lake> <Parquet file of the rows>
 */
import { join } from 'node:path'
import { deltaSink } from '../connectors/delta/sink.ts'
import { describeColumns } from '../engine/batch/duckdb-types.ts'
import { literal, openDuckdb } from '../engine/duckdb.ts'
import { defaultMemoryLimitBytes, shareMemory } from '../engine/memory.ts'
import { batchOf, openLake } from './large-table.ts'
import { peakMemoryMiB } from './peak-memory.ts'
import { rounded } from './quantile.ts'

const [dir = '', rowsFile = ''] = process.argv.slice(2)
const duckdb = await openDuckdb({
  memoryLimitBytes: shareMemory(defaultMemoryLimitBytes).duckdbBytes,
  threads: 2,
  tempDir: join(dir, 'spill'),
})
const lake = openLake(dir, duckdb)
const sink = deltaSink({ ...lake, write: { mode: 'merge', key: ['id'], newer: ['ts'] }, changeFeed: false })
const query = `SELECT * FROM read_parquet(${literal(rowsFile)})`
const columns = await duckdb.withConnection((connection) => describeColumns(connection, query))
const [{ n } = {}] = await duckdb.withConnection((connection) =>
  connection.rows(`SELECT count(*) AS n FROM (${query})`),
)
const file = { path: rowsFile, rows: Number(n), sizeBytes: 0, columns, statistics: [] }
const startedMs = performance.now()
const outcome = await sink.commit(batchOf('merge', 0, [file]))
const seconds = (performance.now() - startedMs) / 1000
await duckdb.close()
if (outcome.kind !== 'committed') throw new Error(`the merge was ${outcome.kind}`)
const { updated, filesRewritten, filesMarked = 0 } = outcome.written
console.log(
  JSON.stringify({
    seconds: rounded(seconds, 3),
    peakMemoryMiB: peakMemoryMiB(),
    updated,
    filesRewritten,
    filesMarked,
  }),
)
