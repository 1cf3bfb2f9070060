/** Commands that work in a data directory, and end in bounded time when they are stopped. */
import { type StopSignals, stopSignals } from './stop-signals.ts'
import { openWorkspace, type Workspace, type WorkspaceOptions } from './workspace.ts'

/** Exit code of a command that was stopped before it was done. */
export const stoppedCode = 1

/** What the first signal prints where no pipeline runs. */
export const stopping = 'millrace: stopping, in 5 s at the latest (again to stop at once)'

/**
 * Runs `work` between opening and closing a workspace, and gives its exit code. Signals stop it in each of the three; `said` is what the
 * first one prints. Opening, work and closing that are given up and do not end are left behind.
 */
export async function inWorkspace(
  options: WorkspaceOptions,
  work: (workspace: Workspace, stop: StopSignals) => Promise<number>,
  said?: string,
): Promise<number> {
  const stop = stopSignals(said)
  try {
    const opened = await stop.within(
      openWorkspace({ ...options, patience: { ...options.patience, giveUp: stop.stop } }),
    )
    if (opened === null) return stoppedCode
    try {
      return (await stop.within(work(opened.value, stop)))?.value ?? stoppedCode
    } finally {
      if ((await stop.within(opened.value.close())) === null)
        console.error('millrace: closing takes too long, left behind')
    }
  } finally {
    stop.dispose()
  }
}
