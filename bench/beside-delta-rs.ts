/**
 * Merges into a table of ten million rows in a hundred files, by us and by delta-rs, each in a process of its own on a copy of
 * the same table, one after the other. One JSON line for each merge.
 *
 *   node bench/beside-delta-rs.ts [--files 100] [--turns 3]
 *
 * Needs DELTA_RS_PYTHON, a Python with the package `deltalake`. Figures are of the fastest turn.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openDuckdb } from '../engine/duckdb.ts'
import { largeTable, type MergeName, makeLargeTable, mergeRows, merges } from './large-table.ts'
import { machineFacts } from './machine.ts'
import { lastLine } from './measured.ts'
import { rounded } from './quantile.ts'

/** What both sides tell of a merge. */
interface Cost {
  readonly seconds: number
  readonly peakMemoryMiB: number
  readonly updated: number
  readonly filesRewritten: number
  readonly filesMarked?: number
}

/** The three that are compared. */
interface Turn {
  readonly theirs: Cost
  readonly rewriting: Cost
  readonly marking: Cost
}

const { values } = parseArgs({
  options: { files: { type: 'string', default: '100' }, turns: { type: 'string', default: '3' } },
})
const [files, turns] = [Number(values.files), Number(values.turns)]
const python = process.env.DELTA_RS_PYTHON
if (python === undefined) {
  console.error('beside-delta-rs: set DELTA_RS_PYTHON to a Python with the package deltalake')
  process.exit(2)
}
const dir = mkdtempSync(join(tmpdir(), 'millrace-beside-delta-rs-'))
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 30, threads: 2, tempDir: join(dir, 'spill') })
try {
  await makeLargeTable(join(dir, 'plain'), duckdb, { files, deletionVectors: false })
  await makeLargeTable(join(dir, 'vectors'), duckdb, { files, deletionVectors: true })
  for (const name of Object.keys(merges) as MergeName[]) {
    const all: Turn[] = []
    for (let turn = 0; turn < turns; turn++) all.push(await takeTurn(name, turn))
    const [theirs, rewriting, marking] = (['theirs', 'rewriting', 'marking'] as const).map((side) =>
      fastest(all.map((turn) => turn[side])),
    ) as [Cost, Cost, Cost]
    console.log(
      JSON.stringify({
        bench: `merge beside delta-rs: ${name}`,
        machine: machineFacts(),
        deltaRs: theirs,
        rewriting: { ...rewriting, timesAsFast: rounded(theirs.seconds / rewriting.seconds, 1) },
        deletionVectors: { ...marking, timesAsFast: rounded(theirs.seconds / marking.seconds, 1) },
      }),
    )
  }
} finally {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
}

async function takeTurn(name: MergeName, turn: number): Promise<Turn> {
  const rows = join(dir, `rows-${turn}.parquet`)
  await mergeRows(name, files, rows, duckdb)
  const ours = (copy: string) =>
    lastLine<Cost>(process.execPath, [join(import.meta.dirname, 'merge-run.ts'), copy, rows])
  const script = join(import.meta.dirname, 'delta-rs-merge.py')
  const taken: Turn = {
    theirs: await onCopy('plain', (copy) => lastLine<Cost>(python!, [script, join(copy, 'lake', largeTable), rows])),
    rewriting: await onCopy('plain', ours),
    marking: await onCopy('vectors', ours),
  }
  for (const { updated } of Object.values(taken) as Cost[])
    if (updated !== merges[name].rows) throw new Error(`${updated} rows were updated, not ${merges[name].rows}`)
  return taken
}

/** Runs a merge on a copy of a table that is gone afterwards. */
async function onCopy<T>(table: string, merge: (copy: string) => Promise<T>): Promise<T> {
  const copy = join(dir, 'copy')
  cpSync(join(dir, table), copy, { recursive: true })
  try {
    return await merge(copy)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function fastest(costs: readonly Cost[]): Cost {
  return costs.reduce((best, cost) => (cost.seconds < best.seconds ? cost : best))
}
