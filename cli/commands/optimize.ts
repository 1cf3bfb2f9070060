/** `millrace tables optimize`. */
import { optimizeTable } from '../../connectors/delta/optimize.ts'
import type { CommandContext } from '../context.ts'
import { requireTable } from '../lake-tables.ts'
import { printRows } from '../output.ts'
import { requireDataDir } from '../reading.ts'
import { stopSignals } from '../stop-signals.ts'
import { openWorkspace } from '../workspace.ts'

const defaultTargetBytes = 128 * 2 ** 20

/** Writes files of a table together and prints what became of them. */
export async function optimize({ config, arguments: [name = ''], options, json }: CommandContext): Promise<number> {
  requireDataDir(config)
  const workspace = await openWorkspace(config)
  const stop = stopSignals()
  try {
    const { table } = await requireTable(workspace, name)
    const { lake, clock, ids, duckdb, scratchDir } = workspace
    const targetBytes = typeof options['target-bytes'] === 'number' ? options['target-bytes'] : defaultTargetBytes
    const optimized = await optimizeTable({
      target: { table, store: lake, clock, ids },
      duckdb,
      stagingDir: scratchDir,
      targetBytes: BigInt(targetBytes),
      sortBy: typeof options.sort === 'string' ? options.sort.split(',').map((column) => column.trim()) : [],
      signal: stop.stop,
    })
    printRows([{ table: table.path, ...optimized }], { json, empty: '' })
    return 0
  } finally {
    stop.dispose()
    await workspace.close()
  }
}
