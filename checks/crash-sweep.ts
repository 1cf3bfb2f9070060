/**
 * Kills the real process at every fault point, again and again, and compares every table with an uninterrupted run.
 *
 *   node checks/crash-sweep.ts [--kills 60] [--seed N] [--titles 12] [--bucket NAME]
 *
 * With a bucket, the killed side has its lake there, under a new prefix that is removed at the end; AWS_... as the SDK wants them.
 * Both data directories get the same records, slice by slice. In one of them each slice is worked off by runs that are
 * killed (SIGKILL) at a point and passage drawn from the seed, until one gets through. Prints one JSON line; exit 1 if
 * anything differs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { differences } from '../cli/dump.ts'
import { type FaultPoint, faultPoints } from '../engine/fault-points.ts'
import { millrace, succeed } from './command.ts'
import { dumpOf } from './dump.ts'
import { seededDraw } from './random.ts'
import { removeObjects } from './s3-bucket.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    seed: { type: 'string' },
    titles: { type: 'string', default: '12' },
    bucket: { type: 'string' },
  },
})
const wanted = Number(values.kills)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const titles = Number(values.titles)
const root = mkdtempSync(join(tmpdir(), 'millrace-sweep-'))
const prefix = `crash-sweep-${process.pid}-${Date.now()}`
const lake = values.bucket === undefined ? '' : `s3://${values.bucket}/${prefix}`
const [killed, whole] = [
  { data: join(root, 'killed'), env: { MILLRACE_LAKE: lake, KAFKA_BROKERS: '' } },
  { data: join(root, 'whole'), env: { MILLRACE_LAKE: '', KAFKA_BROKERS: '' } },
]

const draw = seededDraw(seed)

async function simulateSlice(slice: number): Promise<void> {
  const noise = ['--duplicate', '0.1', '--late', '0.1', '--corrupt', '0.05', '--shuffle', '20']
  const words = ['simulate', '--titles', String(titles), '--seed', String(seed + slice), ...noise]
  for (const { data, env } of [killed, whole]) await succeed([...words, '--data', data], env)
}

/** The signal that ended it, or null if it came to its end. */
async function run({ data, env }: typeof killed, maxRecords: number, fault = ''): Promise<NodeJS.Signals | null> {
  const args = [
    'run',
    '--all',
    '--available-now',
    '--max-records',
    String(maxRecords),
    '--workers',
    '1',
    '--data',
    data,
  ]
  const ended = await millrace(args, { ...env, MILLRACE_FAULT: fault })
  if (ended.signal === null && ended.status !== 0)
    throw new Error(
      `run with fault ${fault} ended with ${ended.status}:\n${ended.lines.slice(-5).join('\n')}\n${ended.errors}`,
    )
  return ended.signal
}

const kills = new Map<FaultPoint, number>()
let total = 0
let slices = 0
let idle = 0
const batch = 20 + draw(60)
while (total < wanted || kills.size < faultPoints.length) {
  if (idle > 0 || slices === 0) await simulateSlice(slices++)
  idle = 0
  // Points that were hit least come first, so that every one is reached.
  const least = Math.min(...faultPoints.map((point) => kills.get(point) ?? 0))
  const candidates = faultPoints.filter((point) => (kills.get(point) ?? 0) === least)
  const point = candidates[draw(candidates.length)]!
  const outcome = await run(killed, batch, `${point}:${1 + draw(4)}:kill`)
  if (outcome === 'SIGKILL') {
    total += 1
    kills.set(point, (kills.get(point) ?? 0) + 1)
  } else idle += 1
  if (slices > wanted * 2)
    throw new Error(`points never reached: ${faultPoints.filter((p) => !kills.has(p)).join(', ')}`)
}
await run(killed, batch)
await run(whole, 100_000)
const [a, b] = [await dumpOf(killed.data, killed.env), await dumpOf(whole.data, whole.env)]
const different = differences(a, b)
const rows = [...b.values()].reduce((sum, each) => sum + each.length, 0)
console.log(
  JSON.stringify({
    check: 'crash-sweep',
    seed,
    kills: total,
    byPoint: Object.fromEntries(kills),
    slices,
    lake: values.bucket === undefined ? 'folder' : 'bucket',
    tables: b.size,
    rows,
    different,
  }),
)
if (values.bucket !== undefined) await removeObjects(values.bucket, `${prefix}/`)
if (different.length === 0) rmSync(root, { recursive: true, force: true })
else console.error(`kept for inspection: ${root}`)
process.exit(different.length === 0 ? 0 : 1)
