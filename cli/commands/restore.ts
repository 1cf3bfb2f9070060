/** `millrace tables restore`. */
import { restoreTable } from '../../connectors/delta/restore.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { inWorkspace, stopping } from '../in-workspace.ts'
import { requireTable } from '../lake-tables.ts'
import { printRows } from '../output.ts'
import { requireDataDir } from '../reading.ts'

/** Takes a table back to a version and prints what that changed. */
export async function restore(context: CommandContext): Promise<number> {
  const { config, options, json } = context
  const [name = '', text = ''] = context.arguments
  if (!/^\d{1,19}$/.test(text)) throw usageError([`version: must be a whole number, not ${JSON.stringify(text)}`])
  requireDataDir(config)
  return inWorkspace(
    config,
    async (workspace) => {
      const { table } = await requireTable(workspace, name)
      const { lake: store, clock, ids } = workspace
      const rewind = options.rewind === true
      const { rewound, ...restored } = await restoreTable({ table, store, clock, ids, version: BigInt(text), rewind })
      printRows([{ table: table.path, ...restored, rewound: rewound.join(', ') }], { json, empty: '' })
      return 0
    },
    stopping,
  )
}
