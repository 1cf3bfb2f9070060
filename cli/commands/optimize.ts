/** `millrace tables optimize`. */
import { optimizeTable } from '../../connectors/delta/optimize.ts'
import type { RowOrder } from '../../connectors/delta/row-order.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { inWorkspace, stopping } from '../in-workspace.ts'
import { requireTable } from '../lake-tables.ts'
import { printRows } from '../output.ts'
import { requireDataDir } from '../reading.ts'

const defaultTargetBytes = 128 * 2 ** 20

/** Writes files of a table together and prints what became of them. */
export async function optimize({ config, arguments: [name = ''], options, json }: CommandContext): Promise<number> {
  const order = orderOf(options)
  requireDataDir(config)
  return inWorkspace(
    config,
    async (workspace, stop) => {
      const { table } = await requireTable(workspace, name)
      const { lake, clock, ids, duckdb, scratchDir } = workspace
      const targetBytes = typeof options['target-bytes'] === 'number' ? options['target-bytes'] : defaultTargetBytes
      const optimized = await optimizeTable({
        target: { table, store: lake, clock, ids },
        duckdb,
        stagingDir: scratchDir,
        targetBytes: BigInt(targetBytes),
        order,
        signal: stop.stop,
      })
      printRows([{ table: table.path, ...optimized }], { json, empty: '' })
      return 0
    },
    stopping,
  )
}

function orderOf({ sort, 'z-order': z }: CommandContext['options']): RowOrder | null {
  if (sort !== undefined && z !== undefined) throw usageError(['--sort, --z-order: give one of them'])
  const named = sort ?? z
  if (typeof named !== 'string') return null
  return { columns: named.split(',').map((column) => column.trim()), curve: z === undefined ? 'linear' : 'z' }
}
