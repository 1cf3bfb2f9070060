/**
 * What it costs to open and to append to a table that is young, and to one that is old: many commits, many files. Each is
 * measured in a process of its own. One JSON line for each.
 *
 *   node bench/aged-table.ts [--commits 1000,100000] [--appends 500]
 *
 * Every commit adds ten files. The log lies on the disk as if nobody had ever cleaned it up.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Action } from '../connectors/delta/actions.ts'
import { createActions } from '../connectors/delta/create.ts'
import { entryKey, printLogEntry } from '../connectors/delta/log-entry.ts'
import type { AgedTableCost } from './aged-table-run.ts'
import { machineFacts } from './machine.ts'
import { measure } from './measured.ts'

const filesPerCommit = 10

const { values } = parseArgs({
  options: { commits: { type: 'string', default: '1000,100000' }, appends: { type: 'string', default: '500' } },
})
const dir = mkdtempSync(join(tmpdir(), 'millrace-aged-table-'))
try {
  for (const commits of values.commits.split(',').map(Number)) {
    const lake = join(dir, String(commits))
    makeLog(lake, commits)
    await measure<AgedTableCost>('aged-table-run.ts', [lake, '0']) // leaves a checkpoint and a checksum
    const cost = await measure<AgedTableCost>('aged-table-run.ts', [lake, values.appends])
    console.log(
      JSON.stringify({
        bench: 'aged table',
        machine: machineFacts(),
        commits,
        files: commits * filesPerCommit,
        ...cost,
      }),
    )
    rmSync(lake, { recursive: true })
  }
} finally {
  rmSync(dir, { recursive: true, force: true })
}

function makeLog(lake: string, commits: number): void {
  mkdirSync(join(lake, 'lake', 't', '_delta_log'), { recursive: true })
  for (let version = 0; version < commits; version++) {
    const txnId = `made-${version}`
    const actions: Action[] = [{ commitInfo: { timestamp: 0n, operation: 'WRITE', isBlindAppend: true, txnId } }]
    if (version === 0)
      actions.push(
        ...createActions({ columns: [{ name: 'id', type: 'long' }], changeFeed: false, id: 'aged', nowMs: 0 }),
      )
    for (let i = 0; i < filesPerCommit; i++) actions.push(addOf(version * filesPerCommit + i))
    actions.push({ txn: { appId: 'p/topic/0', version: BigInt(version), lastUpdated: 0n } })
    writeFileSync(join(lake, 'lake', entryKey('t', BigInt(version))), printLogEntry(actions))
  }
}

function addOf(n: number): Action {
  const path = `part-${String(n).padStart(8, '0')}-9b2f7c7e-0f7e-4f0e-9f61-3b1d1d3c6d0a.snappy.parquet`
  const bounds = { minValues: { id: n * 1000 }, maxValues: { id: n * 1000 + 999 }, nullCount: { id: 0 } }
  const stats = JSON.stringify({ numRecords: 1000, ...bounds })
  return { add: { path, partitionValues: {}, size: 100_000n, modificationTime: 0n, dataChange: true, stats } }
}
