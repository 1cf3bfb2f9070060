/** The most memory that this process has had resident. */
import { processMemory } from './process-memory.ts'

/**
 * From `/proc` where there is one: `maxRSS` of a process also counts what its parent held when it started it.
 */
export function peakMemoryMiB(): number {
  return processMemory(process.pid)?.peakMiB ?? Math.round(process.resourceUsage().maxRSS / 1024)
}
