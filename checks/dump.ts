/** Everything that a data directory holds, for comparison. */
import { defaultMemoryLimitBytes } from '../cli/config.ts'
import { type Dump, dumpAll } from '../cli/dump.ts'
import { openWorkspace } from '../cli/workspace.ts'

/** Opens the directory, reads all tables and stores, and closes it. */
export async function dumpOf(dataDir: string): Promise<Dump> {
  const workspace = await openWorkspace({ dataDir, workers: 0, memoryLimitBytes: defaultMemoryLimitBytes })
  try {
    return await dumpAll(workspace)
  } finally {
    await workspace.close()
  }
}
