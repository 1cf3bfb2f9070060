/** Everything that a data directory holds, or a lake elsewhere, for comparison. */
import { readConfig } from '../cli/config.ts'
import { type Dump, dumpAll } from '../cli/dump.ts'
import { openWorkspace } from '../cli/workspace.ts'
import { assertLakeKeepsRules } from '../connectors/delta/lint/lint-lake.ts'

/**
 * Opens the directory as the command line would with these variables (by default with its own lake), reads all tables and stores, and
 * closes it. Throws if the log of a table breaks a rule of the protocol.
 */
export async function dumpOf(
  dataDir: string,
  env: Readonly<Record<string, string>> = { MILLRACE_LAKE: '' },
): Promise<Dump> {
  const config = readConfig({ env: { ...process.env, ...env }, dataDir })
  const workspace = await openWorkspace({ ...config, workers: 0 })
  try {
    const dump = await dumpAll(workspace)
    await assertLakeKeepsRules({ store: workspace.lake, duckdb: workspace.duckdb })
    return dump
  } finally {
    await workspace.close()
  }
}
