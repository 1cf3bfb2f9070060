/**
 * The whole platform into Neo4j and into the embedded store, by configuration alone: every label and every pair of labels ends alike.
 *
 *   NEO4J_URI=... NEO4J_USER=... NEO4J_PASSWORD=... node checks/neo4j-platform.ts [HISTORY...]
 *
 * Works in the database that is configured, which must be empty, and empties it at the end. Prints one JSON line; exit 1 if anything differs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../cli/config.ts'
import { type Dump, differences } from '../cli/dump.ts'
import { openNeo4j } from '../connectors/neo4j/client.ts'
import { assertEmpty, emptyDatabase } from '../connectors/neo4j/database.testing.ts'
import { batchLines, succeed } from './command.ts'
import { dumpOf } from './dump.ts'

const histories = process.argv.slice(2)
const { neo4j: settings } = readConfig({ env: process.env })
if (settings === null) throw new Error('give NEO4J_URI, NEO4J_USER and NEO4J_PASSWORD')
const server = openNeo4j(settings)
await assertEmpty(server)

const root = mkdtempSync(join(tmpdir(), 'millrace-neo4j-platform-'))
const local = { KAFKA_BROKERS: '', MILLRACE_LAKE: '', CLICKHOUSE_URL: '', PINECONE_API_KEY: '' }
const sides = [
  { name: 'neo4j', data: join(root, 'neo4j'), env: local },
  { name: 'embedded', data: join(root, 'embedded'), env: { ...local, NEO4J_URI: '' } },
] as const
const dumps: Dump[] = []
const reports: { readonly batchesOfLastRun: number; readonly lag: number; readonly graphWritten: string }[] = []
for (const { name, data, env } of sides) {
  const startedMs = performance.now()
  const millrace = (...words: string[]) => succeed([...words, '--data', data], env)
  if (histories.length > 0) await millrace('simulate', ...histories.flatMap((file) => ['--history', file]))
  await millrace('simulate', '--titles', '80', '--corrupt', '0.1', '--late', '0.1', '--duplicate', '0.1')
  const first = batchLines(await millrace('run', '--all', '--available-now', '--max-records', '700'))
  await millrace('simulate', '--titles', '80', '--late', '0.1', '--duplicate', '0.1')
  const second = batchLines(await millrace('run', '--all', '--available-now', '--max-records', '300'))
  const last = batchLines(await millrace('run', '--all', '--available-now'))
  const status = (await millrace('status', '--json')).map(
    (line) => JSON.parse(line) as { lagRecords?: number; store?: string; count?: number },
  )
  const dump = await dumpOf(data, env)
  dumps.push(dump)
  const graph = [...first, ...second].filter(({ pipeline }) => pipeline.startsWith('graph-'))
  const report = {
    side: name,
    batchesOfLastRun: last.filter(({ outcome }) => outcome !== 'stopped').length,
    lag: status.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0),
    graphCounted: status.filter(({ store }) => store === 'graph').reduce((sum, { count }) => sum + (count ?? 0), 0),
    graphBatches: graph.length,
    graphWritten: JSON.stringify(sums(graph.map(({ written }) => written))),
    rows: [...dump.values()].reduce((sum, rows) => sum + rows.length, 0),
    seconds: Math.round(performance.now() - startedMs) / 1000,
  }
  reports.push(report)
}
const different = differences(dumps[0]!, dumps[1]!)
const graphParts = [...dumps[0]!.keys()].filter((name) => name.startsWith('graph:'))
const countsAlike = reports[0]!.graphWritten === reports[1]!.graphWritten
const check = {
  check: 'neo4j-platform',
  compared: dumps[0]!.size,
  graphParts: graphParts.length,
  countsAlike,
  different,
}
console.log(JSON.stringify({ ...check, sides: reports }))
await emptyDatabase(server)
await server.close()
const good =
  different.length === 0 &&
  graphParts.length > 0 &&
  countsAlike &&
  reports.every(({ batchesOfLastRun, lag }) => batchesOfLastRun === 0 && lag === 0)
if (good) rmSync(root, { recursive: true, force: true })
process.exit(good ? 0 : 1)

/** What was written in all, by what it is. */
function sums(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = [...new Set(counts.flatMap((each) => Object.keys(each ?? {})))].sort()
  return Object.fromEntries(names.map((name) => [name, counts.reduce((sum, each) => sum + (each?.[name] ?? 0), 0)]))
}
