/**
 * The whole platform into ClickHouse and into the embedded store, by configuration alone: every table and view ends alike.
 *
 *   CLICKHOUSE_URL=... CLICKHOUSE_USER=... CLICKHOUSE_PASSWORD=... node checks/clickhouse-platform.ts [HISTORY...]
 *
 * Works in a new database, and drops it at the end. Prints one JSON line; exit 1 if anything differs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../cli/config.ts'
import { type Dump, differences } from '../cli/dump.ts'
import { openClickhouse, quoted } from '../connectors/clickhouse/client.ts'
import { batchLines, succeed } from './command.ts'
import { dumpOf } from './dump.ts'

const histories = process.argv.slice(2)
const { clickhouse: settings } = readConfig({ env: process.env })
if (settings === null) throw new Error('give CLICKHOUSE_URL, CLICKHOUSE_USER and CLICKHOUSE_PASSWORD')
const database = `millrace_check_${process.pid}_${Date.now()}`
const server = openClickhouse(settings)
await server.run(`CREATE DATABASE ${quoted(database)}`)

const root = mkdtempSync(join(tmpdir(), 'millrace-clickhouse-platform-'))
const local = { KAFKA_BROKERS: '', MILLRACE_LAKE: '' }
const sides = [
  { name: 'clickhouse', data: join(root, 'clickhouse'), env: { ...local, CLICKHOUSE_DATABASE: database } },
  { name: 'embedded', data: join(root, 'embedded'), env: { ...local, CLICKHOUSE_URL: '' } },
] as const
const dumps: Dump[] = []
const reports: { readonly batchesOfLastRun: number; readonly lag: number }[] = []
for (const { name, data, env } of sides) {
  const startedMs = performance.now()
  const millrace = (...words: string[]) => succeed([...words, '--data', data], env)
  if (histories.length > 0) await millrace('simulate', ...histories.flatMap((file) => ['--history', file]))
  await millrace('simulate', '--titles', '80', '--corrupt', '0.1', '--late', '0.1', '--duplicate', '0.1')
  const first = batchLines(await millrace('run', '--all', '--available-now', '--max-records', '700'))
  await millrace('simulate', '--titles', '80', '--late', '0.1', '--duplicate', '0.1')
  await millrace('run', '--all', '--available-now', '--max-records', '300')
  const last = batchLines(await millrace('run', '--all', '--available-now'))
  const status = (await millrace('status', '--json')).map(
    (line) => JSON.parse(line) as { lagRecords?: number; store?: string; count?: number },
  )
  const dump = await dumpOf(data, env)
  dumps.push(dump)
  const olap = first.filter(({ pipeline }) => pipeline.startsWith('olap-'))
  const report = {
    side: name,
    batchesOfLastRun: last.filter(({ outcome }) => outcome !== 'stopped').length,
    lag: status.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0),
    olapRows: status.filter(({ store }) => store === 'olap').reduce((sum, { count }) => sum + (count ?? 0), 0),
    olapWritten: olap.reduce((sum, { written }) => sum + (written?.inserted ?? 0) + (written?.updated ?? 0), 0),
    rows: [...dump.values()].reduce((sum, rows) => sum + rows.length, 0),
    seconds: Math.round(performance.now() - startedMs) / 1000,
  }
  reports.push(report)
}
const different = differences(dumps[0]!, dumps[1]!)
const olapTables = [...dumps[0]!.keys()].filter((name) => name.startsWith('olap:'))
const check = { check: 'clickhouse-platform', tables: dumps[0]!.size, olapTables: olapTables.length, different }
console.log(JSON.stringify({ ...check, sides: reports }))
await server.run(`DROP DATABASE ${quoted(database)}`)
await server.close()
const good =
  different.length === 0 &&
  olapTables.length > 0 &&
  reports.every(({ batchesOfLastRun, lag }) => batchesOfLastRun === 0 && lag === 0)
if (good) rmSync(root, { recursive: true, force: true })
process.exit(good ? 0 : 1)
