/**
 * The whole platform through a real cluster and through the embedded log, by configuration alone: every table, the graph and the vectors
 * end alike, and so do dead letters that are sent again.
 *
 *   KAFKA_BROKERS=... node checks/kafka-platform.ts --delete-topics [--bucket NAME] [HISTORY...]
 *
 * With a bucket, the lake of the cluster's side is in it, under a prefix that is removed at the end: the whole way from a cluster over
 * S3 to the stores. The definitions name their topics, so that those of the cluster are deleted before and after: only for a cluster made for tests.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Admin } from '@platformatic/kafka'
import { differences } from '../cli/dump.ts'
import { topics } from '../connectors/tmdb/event.ts'
import { batchLines, succeed } from './command.ts'
import { dumpOf } from './dump.ts'
import { removeObjects } from './s3-bucket.ts'

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { 'delete-topics': { type: 'boolean' }, bucket: { type: 'string' } },
})
const brokers = process.env.KAFKA_BROKERS ?? ''
if (brokers === '' || values['delete-topics'] !== true) throw new Error('give KAFKA_BROKERS and --delete-topics')
const prefix = `kafka-platform-${process.pid}-${Date.now()}`
const lake = values.bucket === undefined ? '' : `s3://${values.bucket}/${prefix}/lake`

async function deleteTopics(): Promise<void> {
  const admin = new Admin({ clientId: 'check', bootstrapBrokers: brokers.split(',') })
  const there = await admin.listTopics()
  const mine = there.filter((name) => Object.values(topics).includes(name) || name.startsWith('check-'))
  if (mine.length > 0) await admin.deleteTopics({ topics: mine })
  await admin.close()
}

const root = mkdtempSync(join(tmpdir(), 'millrace-kafka-platform-'))
const sides = [
  { data: join(root, 'cluster'), env: { KAFKA_BROKERS: brokers, KAFKA_GROUP_PREFIX: 'check-', MILLRACE_LAKE: lake } },
  { data: join(root, 'embedded'), env: { KAFKA_BROKERS: '', MILLRACE_LAKE: '' } },
] as const

await deleteTopics()
const reports: Record<string, unknown>[] = []
for (const { data, env } of sides) {
  const millrace = (...words: string[]) => succeed([...words, '--data', data], env)
  if (files.length > 0) await millrace('simulate', ...files.flatMap((file) => ['--history', file]))
  await millrace('simulate', '--titles', '80', '--corrupt', '0.1', '--late', '0.1', '--duplicate', '0.1')
  await millrace('run', '--all', '--available-now', '--max-records', '700')
  const sent: string[] = []
  for (let time = 0; time < 2; time += 1) sent.push(...(await millrace('dead-letters', 'replay', 'movies', '--json')))
  await millrace('run', '--all', '--available-now')
  const again = batchLines(await millrace('run', '--all', '--available-now')).filter(
    ({ outcome }) => outcome !== 'stopped',
  )
  const status = (await millrace('status', '--json')).map((line) => JSON.parse(line) as { lagRecords?: number })
  reports.push({
    replayed: sent.map((line) => (JSON.parse(line) as { sent: number }).sent),
    batchesOfLastRun: again.length,
    lag: status.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0),
  })
}
const [cluster, embedded] = [await dumpOf(sides[0].data, sides[0].env), await dumpOf(sides[1].data, sides[1].env)]
const different = differences(cluster, embedded)
const rows = [...cluster.values()].reduce((sum, each) => sum + each.length, 0)
console.log(
  JSON.stringify({
    check: 'kafka-platform',
    lake: lake === '' ? 'folder' : 'bucket',
    tables: cluster.size,
    rows,
    different,
    cluster: reports[0],
    embedded: reports[1],
  }),
)
await deleteTopics()
if (values.bucket !== undefined) await removeObjects(values.bucket, `${prefix}/`)
const good = different.length === 0 && reports.every(({ batchesOfLastRun, lag }) => batchesOfLastRun === 0 && lag === 0)
if (good) rmSync(root, { recursive: true, force: true })
process.exit(good ? 0 : 1)
