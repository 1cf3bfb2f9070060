/**
 * Kills the real process at every fault point, again and again, and compares every table with an uninterrupted run.
 *
 *   node checks/crash-sweep.ts [--kills 60] [--seed N] [--titles 12]
 *
 * Both data directories get the same records, slice by slice. In one of them each slice is worked off by runs that are
 * killed (SIGKILL) at a point and passage drawn from the seed, until one gets through. Prints one JSON line; exit 1 if
 * anything differs.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { differences, dumpAll } from '../cli/dump.ts'
import { defaultMemoryLimitBytes, openWorkspace } from '../cli/workspace.ts'
import { type FaultPoint, faultPoints } from '../engine/fault-points.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    seed: { type: 'string' },
    titles: { type: 'string', default: '12' },
  },
})
const wanted = Number(values.kills)
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const titles = Number(values.titles)
const main = join(import.meta.dirname, '../cli/main.ts')
const root = mkdtempSync(join(tmpdir(), 'millrace-sweep-'))
const [killed, whole] = [join(root, 'killed'), join(root, 'whole')]

/** Mulberry32: small, and the same everywhere. */
let state = seed
function random(): number {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const draw = (below: number): number => Math.floor(random() * below)

function millrace(args: readonly string[], fault = ''): NodeJS.Signals | number {
  const child = spawnSync(process.execPath, [main, ...args], {
    env: { ...process.env, MILLRACE_FAULT: fault },
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (child.signal !== null) return child.signal
  if (child.status !== 0)
    throw new Error(
      `millrace ${args.join(' ')} (fault ${fault}) ended with ${child.status}:\n${child.stdout.slice(-2000)}${child.stderr.slice(-2000)}`,
    )
  return 0
}

function simulate(slice: number): void {
  const noise = ['--duplicate', '0.1', '--late', '0.1', '--corrupt', '0.05', '--shuffle', '20']
  for (const data of [killed, whole])
    millrace(['simulate', '--titles', String(titles), '--seed', String(seed + slice), ...noise, '--data', data])
}

function run(data: string, maxRecords: number, fault = ''): NodeJS.Signals | number {
  return millrace(
    ['run', '--all', '--available-now', '--max-records', String(maxRecords), '--workers', '1', '--data', data],
    fault,
  )
}

async function dump(dataDir: string) {
  const workspace = await openWorkspace({ dataDir, workers: 0, memoryLimitBytes: defaultMemoryLimitBytes })
  try {
    return await dumpAll(workspace)
  } finally {
    await workspace.close()
  }
}

const kills = new Map<FaultPoint, number>()
let total = 0
let slices = 0
let idle = 0
const batch = 20 + draw(60)
while (total < wanted || kills.size < faultPoints.length) {
  if (idle > 0 || slices === 0) simulate(slices++)
  idle = 0
  // Points that were hit least come first, so that every one is reached.
  const least = Math.min(...faultPoints.map((point) => kills.get(point) ?? 0))
  const candidates = faultPoints.filter((point) => (kills.get(point) ?? 0) === least)
  const point = candidates[draw(candidates.length)]!
  const outcome = run(killed, batch, `${point}:${1 + draw(4)}:kill`)
  if (outcome === 'SIGKILL') {
    total += 1
    kills.set(point, (kills.get(point) ?? 0) + 1)
  } else idle += 1
  if (slices > wanted * 2)
    throw new Error(`points never reached: ${faultPoints.filter((p) => !kills.has(p)).join(', ')}`)
}
run(killed, batch)
run(whole, 100_000)
const [a, b] = [await dump(killed), await dump(whole)]
const different = differences(a, b)
const rows = [...b.values()].reduce((sum, each) => sum + each.length, 0)
console.log(
  JSON.stringify({
    check: 'crash-sweep',
    seed,
    kills: total,
    byPoint: Object.fromEntries(kills),
    slices,
    tables: b.size,
    rows,
    different,
  }),
)
if (different.length === 0) rmSync(root, { recursive: true, force: true })
else console.error(`kept for inspection: ${root}`)
process.exit(different.length === 0 ? 0 : 1)
