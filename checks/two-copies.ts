/**
 * Two processes run the same pipelines over the same data at the same time, round after round. Each race has one winner: the other is fenced,
 * drops its batch and goes on. The tables end as if one process had run alone.
 *
 *   node checks/two-copies.ts [rounds]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { differences } from '../cli/dump.ts'
import { batchLines, succeed } from './command.ts'
import { dumpOf } from './dump.ts'

const rounds = Number(process.argv[2] ?? 4)
const root = mkdtempSync(join(tmpdir(), 'millrace-copies-'))
const [both, alone] = [join(root, 'both'), join(root, 'alone')]
const pipelines = ['bronze-movies', 'bronze-people', 'silver-movies', 'silver-people']
let fenced = 0
let committed = 0
for (let round = 1; round <= rounds; round += 1) {
  const simulate = ['simulate', '--titles', '60', '--seed', String(round), '--corrupt', '0.05', '--duplicate', '0.1']
  for (const data of [both, alone]) await succeed([...simulate, '--data', data])
  const run = ['run', ...pipelines, '--available-now', '--max-records', '15', '--workers', '0', '--data', both]
  for (const lines of await Promise.all([succeed(run), succeed(run)])) {
    fenced += batchLines(lines).filter(({ outcome }) => outcome === 'fenced').length
    committed += batchLines(lines).filter(({ outcome }) => outcome === 'committed').length
  }
}
await succeed(['run', ...pipelines, '--available-now', '--data', alone])
const different = differences(await dumpOf(both), await dumpOf(alone))
console.log(JSON.stringify({ check: 'two-copies', rounds, committed, fenced, different }))
const good = different.length === 0 && fenced > 0
if (good) rmSync(root, { recursive: true, force: true })
process.exit(good ? 0 : 1)
