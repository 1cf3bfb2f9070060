/**
 * Processes that race for two tables, on a folder or a bucket: each appends rows to the one, and merges into the other both a row of its
 * own and a row that all of them change. Every commit must be there once, every version have one winner, no change be lost.
 *
 *   node checks/race.ts [--processes 16] [--commits 25] [--bucket NAME]
 *
 * Prints one JSON line; exit 1 if anything is lost or doubled. With a bucket: AWS_... as the SDK wants them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { appended, merged, openRaceLake } from './race-lake.ts'
import type { RacerReport } from './racer.ts'
import { removeObjects } from './s3-bucket.ts'

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '16' },
    commits: { type: 'string', default: '25' },
    bucket: { type: 'string' },
  },
})
const [processes, commits] = [Number(values.processes), Number(values.commits)]
const dir = mkdtempSync(join(tmpdir(), 'millrace-race-'))
const prefix = `race-${process.pid}-${Date.now()}`
const lake = values.bucket === undefined ? join(dir, 'lake') : `s3://${values.bucket}/${prefix}`

async function race(writer: number): Promise<RacerReport> {
  const words = [join(import.meta.dirname, 'racer.ts'), String(writer), String(processes), String(commits), dir, lake]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  if (status !== 0) throw new Error(`writer ${writer} ended with ${status}`)
  return JSON.parse(output) as RacerReport
}

const startedMs = performance.now()
const reports = await Promise.all(Array.from({ length: processes }, (_, writer) => race(writer)))
const seconds = (performance.now() - startedMs) / 1000
const opened = await openRaceLake(dir, lake, 'judge')
const rows = await opened.rows(appended, 'count(*) AS n, count(DISTINCT row(writer, n)) AS d')
const own = await opened.rows(merged, 'count(*) AS n, min(v) AS least, max(v) AS most', 'k > 0')
const shared = await opened.rows(merged, 'count(*) AS n, max(v) AS v', 'k = 0')
const versions = [await opened.version(appended), await opened.version(merged)].map(Number)
await opened.close()

const total = processes * commits
const wrong = [
  ...(Number(rows[0]!.n) === total ? [] : [`${rows[0]!.n} rows were appended, not ${total}`]),
  ...(Number(rows[0]!.d) === total ? [] : [`${rows[0]!.d} different rows were appended, not ${total}`]),
  ...(Number(own[0]!.n) === processes ? [] : [`${own[0]!.n} writers have a row, not ${processes}`]),
  ...(Number(own[0]!.least) === commits - 1 ? [] : [`a writer's row is at ${own[0]!.least}, not ${commits - 1}`]),
  ...(Number(shared[0]!.n) === 1 ? [] : [`the row of all is there ${shared[0]!.n} times`]),
  ...(Number(shared[0]!.v) === total - 1 ? [] : [`the row of all is at ${shared[0]!.v}, not ${total - 1}`]),
  ...versions.flatMap((version) => (version === total - 1 ? [] : [`version ${version} is the last, not ${total - 1}`])),
]
const sum = (what: keyof RacerReport) => reports.reduce((all, report) => all + report[what], 0)
console.log(
  JSON.stringify({
    check: 'race',
    lake: values.bucket === undefined ? 'folder' : 'bucket',
    processes,
    commits: 2 * total,
    mergesTriedAgain: sum('conflicts'),
    seconds: Math.round(seconds * 10) / 10,
    wrong,
  }),
)
if (values.bucket !== undefined) await removeObjects(values.bucket, `${prefix}/`)
rmSync(dir, { recursive: true, force: true })
process.exit(wrong.length === 0 ? 0 : 1)
