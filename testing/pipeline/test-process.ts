/** The process of a pipeline's test: a workspace that may die and be opened again. */
import { openWorkspace, type Workspace } from '../../cli/workspace.ts'
import type { Clock } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { armFault, type FaultPoint } from '../../engine/fault-points.ts'
import { shareMemory } from '../../engine/memory.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import { runAll } from '../../engine/run-all.ts'
import { availableNow } from '../../engine/trigger.ts'
import { makeTestFolder, sharedDuckdb } from './test-folder.ts'

/** Runs pipelines, given in the order of their tables, in a folder of its own. */
export interface TestProcess {
  /** As it is open now. */
  workspace(): Workspace
  /** Runs each to the end of what is there. Throws what the first one failed with. */
  run(): Promise<void>
  /** Runs until the first passage of the point, where the process dies, and starts another one. `CONFIG_INVALID` if none comes past. */
  runIntoCrash(at: FaultPoint): Promise<void>
  close(): Promise<void>
}

const memoryLimitBytes = 512 * 2 ** 20

/** Opens the workspace in a new folder. */
export async function openTestProcess(pipelines: readonly Pipeline[], clock: Clock): Promise<TestProcess> {
  const folder = makeTestFolder()
  const { duckdbBytes } = shareMemory(memoryLimitBytes)
  const duckdb = () => sharedDuckdb(duckdbBytes)
  const open = () => openWorkspace({ dataDir: folder.path, workers: 0, memoryLimitBytes, clock, retryForMs: 0, duckdb })
  let workspace = await open()

  async function run(): Promise<void> {
    const { signal } = new AbortController()
    for (const pipeline of pipelines) {
      const bounded = { ...pipeline, trigger: availableNow() }
      const [failed] = await runAll([bounded], workspace.runtime, { stop: signal, abandon: signal }, () => {})
      if (failed !== undefined) throw failed.error
    }
  }

  /** Whether the process died, rather than came to the end of its input. */
  async function diesAt(at: FaultPoint): Promise<boolean> {
    armFault({ point: at, passage: 1, action: 'crash' })
    try {
      await run()
      return false
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'FAULT_INJECTED') return true
      throw error
    } finally {
      armFault(null)
    }
  }

  return {
    workspace: () => workspace,
    run,
    async runIntoCrash(at) {
      if (!(await diesAt(at)))
        throw new MillraceError(
          'CONFIG_INVALID',
          `crash('${at}'): no pipeline came past that point (give records before it, or crash at another point)`,
        )
      await workspace.close()
      workspace = await open()
    },
    async close() {
      try {
        await workspace.close()
      } finally {
        folder.remove()
      }
    },
  }
}
