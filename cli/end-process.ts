/** Ends the process when its command is done, whatever is still open. */
import { spawn } from 'node:child_process'

/** For what closes by itself: connections, threads, files. */
const lingerMs = 500
const exitMs = 2_000

/**
 * Lets the process end by itself; where something left behind keeps it, ends it with the exit code that is set. A normal exit waits for
 * native work that is under way, so another process sees to it that this one ends.
 */
export function endProcess(): void {
  setTimeout(() => {
    const script = `setTimeout(() => { try { process.kill(${process.pid}, 'SIGKILL') } catch {} }, ${exitMs})`
    spawn(process.execPath, ['-e', script], { stdio: 'ignore', detached: true }).unref()
    process.exit()
  }, lingerMs).unref()
}
