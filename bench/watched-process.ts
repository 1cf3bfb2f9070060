/** A command that is watched while it runs: what it prints, and the most memory that it has resident. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { processMemory } from './process-memory.ts'

export interface WatchedProcess {
  /** Most memory resident since the last call, or since the start; null where the system does not say. */
  peakMiB(): number | null
}

/** Runs this Node.js with `args` to its end; each line of its output goes to `onLine`. Returns the exit code. */
export function runWatched(
  args: readonly string[],
  onLine: (line: string, process: WatchedProcess) => void,
): Promise<number> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const watched = { peakMiB: () => takePeak(child.pid!) }
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => onLine(line, watched))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}

/** Linux keeps the peak, and forgets it when it is told to. */
function takePeak(pid: number): number | null {
  try {
    const peakMiB = processMemory(pid)?.peakMiB ?? null
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
    return peakMiB
  } catch {
    return null
  }
}
