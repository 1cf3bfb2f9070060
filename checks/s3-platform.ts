/**
 * The whole platform on a lake in a bucket and on one in a folder, by configuration alone: every table, the graph and the vectors end
 * alike, and so do dead letters that are sent again. Half-way the bucket's side loses its local copies, and it has room for few.
 *
 *   S3_BUCKET=... AWS_ENDPOINT_URL_S3=... node checks/s3-platform.ts [HISTORY...]
 *
 * Works under a new prefix of the bucket, and removes it at the end. Prints one JSON line; exit 1 if anything differs.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Dump, differences } from '../cli/dump.ts'
import { batchLines, succeed } from './command.ts'
import { dumpOf } from './dump.ts'
import { removeObjects } from './s3-bucket.ts'

const histories = process.argv.slice(2)
const bucket = process.env.S3_BUCKET ?? ''
if (bucket === '') throw new Error('give S3_BUCKET, and AWS_... as the SDK wants them')

const prefix = `s3-platform-${process.pid}-${Date.now()}`
const root = mkdtempSync(join(tmpdir(), 'millrace-s3-platform-'))
const sides = [
  {
    name: 'bucket',
    data: join(root, 'bucket'),
    env: { MILLRACE_LAKE: `s3://${bucket}/${prefix}/lake`, MILLRACE_CACHE_BYTES: '300000', KAFKA_BROKERS: '' },
  },
  { name: 'folder', data: join(root, 'folder'), env: { MILLRACE_LAKE: '', KAFKA_BROKERS: '' } },
] as const

const reports: Record<string, unknown>[] = []
const dumps: Dump[] = []
for (const side of sides) {
  const startedMs = performance.now()
  const millrace = (...words: string[]) => succeed([...words, '--data', side.data], side.env)
  if (histories.length > 0) await millrace('simulate', ...histories.flatMap((file) => ['--history', file]))
  const disorder = ['--corrupt', '0.1', '--late', '0.1', '--duplicate', '0.1']
  await millrace('simulate', '--titles', '80', ...disorder)
  await millrace('run', '--all', '--available-now', '--max-records', '700')
  rmSync(join(side.data, 'cache'), { recursive: true, force: true })
  const sent: string[] = []
  for (let time = 0; time < 2; time += 1) sent.push(...(await millrace('dead-letters', 'replay', 'movies', '--json')))
  await millrace('simulate', '--titles', '80', '--seed', '2', ...disorder)
  await millrace('run', '--all', '--available-now', '--max-records', '40') // enough versions for log checkpoints
  const last = batchLines(await millrace('run', '--all', '--available-now'))
  const status = (await millrace('status', '--json')).map((line) => JSON.parse(line) as { lagRecords?: number })
  await millrace('audit', 'bronze/movies', '--rows')
  const dump = await dumpOf(side.data, side.env)
  dumps.push(dump)
  reports.push({
    side: side.name,
    replayed: sent.map((line) => (JSON.parse(line) as { sent: number }).sent),
    batchesOfLastRun: last.filter(({ outcome }) => outcome !== 'stopped').length,
    lag: status.reduce((sum, { lagRecords }) => sum + (lagRecords ?? 0), 0),
    rows: [...dump.values()].reduce((sum, rows) => sum + rows.length, 0),
    localLake: readdirSync(side.data).includes('lake'),
    seconds: Math.round(performance.now() - startedMs) / 1000,
  })
}
const different = differences(dumps[0]!, dumps[1]!)
console.log(
  JSON.stringify({
    check: 's3-platform',
    tables: dumps[0]!.size,
    different,
    sides: reports,
    objects: await removeObjects(bucket, `${prefix}/`),
  }),
)
const good =
  different.length === 0 &&
  dumps[0]!.size > 0 &&
  reports.every(({ batchesOfLastRun, lag }) => batchesOfLastRun === 0 && lag === 0) &&
  reports[0]!.localLake === false
if (good) rmSync(root, { recursive: true, force: true })
process.exit(good ? 0 : 1)
