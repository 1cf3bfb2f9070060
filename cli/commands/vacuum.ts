/** `millrace tables vacuum`. */
import { forgetReader } from '../../connectors/delta/readers.ts'
import { vacuumTable } from '../../connectors/delta/vacuum.ts'
import type { CommandContext } from '../context.ts'
import { inWorkspace, stopping } from '../in-workspace.ts'
import { requireTable } from '../lake-tables.ts'
import { printRows } from '../output.ts'
import { requireDataDir } from '../reading.ts'

const hourMs = 3_600_000

/** Prints which files a table no longer needs; deletes them where `--delete` says so. */
export async function vacuum({ config, arguments: [name = ''], options, json }: CommandContext): Promise<number> {
  requireDataDir(config)
  return inWorkspace(
    config,
    async (workspace, stop) => {
      const { table } = await requireTable(workspace, name)
      const { lake: store, clock, ids } = workspace
      const { 'forget-reader': forgotten = [], 'retention-hours': hours, force } = options
      for (const pipeline of forgotten as string[]) await forgetReader(store, table.path, pipeline)
      const { behind, ...vacuumed } = await vacuumTable({
        ...{ table, store, clock, ids },
        ...(typeof hours === 'number' ? { retentionMs: hours * hourMs } : {}),
        force: force === true,
        dryRun: options.delete !== true,
        signal: stop.stop,
      })
      const readers = behind.map(({ pipeline, version }) => `${pipeline} (next: version ${version})`)
      const row = {
        table: table.path,
        deleted: options.delete === true,
        ...vacuumed,
        readersBehind: readers.join(', '),
      }
      printRows([row], { json, empty: '' })
      return 0
    },
    stopping,
  )
}
