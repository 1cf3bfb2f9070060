/**
 * The whole platform on the services that the environment names and on what is embedded, by configuration alone: every table, the graph, the
 * vectors and the tables for analysis end alike, and so do dead letters that are sent again.
 *
 *   node checks/services-platform.ts [--delete-topics] [--bucket NAME] [--empty-graph] [--emulated-vectors [--emulator-faults SEED]] [HISTORY...]
 *
 * Services are taken from KAFKA_BROKERS (with --delete-topics: the definitions name their topics, so that those of the cluster are deleted before and
 * after), CLICKHOUSE_... (a database of its own), NEO4J_... (with --empty-graph: it must be empty, and is afterwards): only what was made for tests. With a bucket
 * the lake is in it, under a prefix that is removed at the end; the vectors are in an emulator, a process of its own, where they are asked for: one that with a
 * seed answers some requests with errors, loses connections and answers, and shows writes late. Prints one JSON line; exit 1 if anything differs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Admin } from '@platformatic/kafka'
import { readConfig } from '../cli/config.ts'
import { type Dump, differences } from '../cli/dump.ts'
import { openClickhouse, quoted } from '../connectors/clickhouse/client.ts'
import { openNeo4j } from '../connectors/neo4j/client.ts'
import { assertEmpty, emptyDatabase } from '../connectors/neo4j/database.testing.ts'
import { topics } from '../connectors/tmdb/event.ts'
import { batchLines, succeed } from './command.ts'
import { dumpOf } from './dump.ts'
import { ownEmulator } from './own-emulator.ts'
import { removeObjects } from './s3-bucket.ts'

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    'delete-topics': { type: 'boolean', default: false },
    bucket: { type: 'string' },
    'empty-graph': { type: 'boolean', default: false },
    'emulated-vectors': { type: 'boolean', default: false },
    'emulator-faults': { type: 'string' },
  },
})
const name = `millrace-check-${process.pid}-${Date.now()}`
const root = mkdtempSync(join(tmpdir(), 'millrace-services-platform-'))
const embedded = { KAFKA_BROKERS: '', MILLRACE_LAKE: '', CLICKHOUSE_URL: '', NEO4J_URI: '', PINECONE_API_KEY: '' }
const services: Record<string, string> = {}
/** What is to be made ready, and to be cleared away at the end. */
const cleanups: (() => Promise<void>)[] = []

const brokers = values['delete-topics'] ? (process.env.KAFKA_BROKERS ?? '') : ''
if (brokers !== '') {
  Object.assign(services, { KAFKA_BROKERS: brokers, KAFKA_GROUP_PREFIX: 'check-' })
  await deleteTopics()
  cleanups.push(deleteTopics)
}
if (values.bucket !== undefined) {
  const { bucket } = values
  services.MILLRACE_LAKE = `s3://${bucket}/${name}/lake`
  cleanups.push(async () => void (await removeObjects(bucket, `${name}/`)))
}
const { clickhouse, neo4j } = readConfig({ env: process.env })
if (clickhouse !== null) {
  const database = name.replaceAll('-', '_')
  const server = openClickhouse(clickhouse)
  await server.run(`CREATE DATABASE ${quoted(database)}`)
  Object.assign(services, { CLICKHOUSE_URL: clickhouse.url, CLICKHOUSE_DATABASE: database })
  cleanups.push(async () => {
    await server.run(`DROP DATABASE ${quoted(database)}`)
    await server.close()
  })
}
if (values['empty-graph'] && neo4j !== null) {
  const graph = openNeo4j(neo4j)
  await assertEmpty(graph)
  services.NEO4J_URI = neo4j.uri
  cleanups.push(async () => {
    await emptyDatabase(graph)
    await graph.close()
  })
}
if (values['emulated-vectors']) {
  const seed = values['emulator-faults']
  const shares = ['--too-many', '0.03', '--unavailable', '0.03', '--cut', '0.03', '--lost-answer', '0.03']
  const words = seed === undefined ? [] : ['--seed', seed, ...shares, '--visible-after-ms', '300']
  const emulator = await ownEmulator({ dir: join(root, 'emulator'), words })
  Object.assign(services, emulator.env)
  cleanups.push(emulator.wipe)
}

async function deleteTopics(): Promise<void> {
  const admin = new Admin({ clientId: 'check', bootstrapBrokers: brokers.split(',') })
  const there = await admin.listTopics()
  const mine = there.filter((topic) => Object.values(topics).includes(topic) || topic.startsWith('check-'))
  if (mine.length > 0) await admin.deleteTopics({ topics: mine })
  await admin.close()
}

const dumps: Dump[] = []
const reports: { readonly batchesOfLastRun: number; readonly lag: number }[] = []
for (const [side, env] of [
  ['services', { ...embedded, ...services }],
  ['embedded', embedded],
] as const) {
  const startedMs = performance.now()
  const data = join(root, side)
  const millrace = (...words: string[]) => succeed([...words, '--data', data], env)
  if (files.length > 0) await millrace('simulate', ...files.flatMap((file) => ['--history', file]))
  await millrace('simulate', '--titles', '80', '--corrupt', '0.1', '--late', '0.1', '--duplicate', '0.1')
  await millrace('run', '--all', '--available-now', '--max-records', '700')
  await millrace('simulate', '--titles', '80', '--late', '0.1', '--duplicate', '0.1')
  await millrace('run', '--all', '--available-now', '--max-records', '300')
  // last, since a cluster counts the end of the transaction that they are sent in as an offset
  const sent: string[] = []
  for (let time = 0; time < 2; time += 1) sent.push(...(await millrace('dead-letters', 'replay', 'movies', '--json')))
  await millrace('run', '--all', '--available-now')
  const again = batchLines(await millrace('run', '--all', '--available-now'))
  const status = (await millrace('status', '--json')).map((line) => JSON.parse(line) as { lagRecords?: number })
  dumps.push(await dumpOf(data, env))
  const report = {
    side,
    replayed: sent.map((line) => (JSON.parse(line) as { sent: number }).sent),
    batchesOfLastRun: again.filter(({ outcome }) => outcome !== 'stopped').length,
    lag: status.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0),
    rows: [...dumps.at(-1)!.values()].reduce((sum, rows) => sum + rows.length, 0),
    seconds: Math.round(performance.now() - startedMs) / 1000,
  }
  reports.push(report)
}
const different = differences(dumps[0]!, dumps[1]!)
const kinds = new Set([...dumps[1]!.keys()].map((table) => table.split(':')[0]))
const on = Object.keys(services).filter((variable) => /BROKERS|LAKE|URL|URI|API_KEY/.test(variable))
console.log(
  JSON.stringify({
    check: 'services-platform',
    on,
    kinds: [...kinds],
    tables: dumps[1]!.size,
    different,
    sides: reports,
  }),
)
for (const cleanup of cleanups) await cleanup()
const good =
  different.length === 0 &&
  on.length > 0 &&
  kinds.size === 4 &&
  reports.every(({ batchesOfLastRun, lag }) => batchesOfLastRun === 0 && lag === 0)
if (good) rmSync(root, { recursive: true, force: true })
process.exit(good ? 0 : 1)
