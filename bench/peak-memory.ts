/** The most memory that this process has had resident. */
import { existsSync, readFileSync } from 'node:fs'

/**
 * From `/proc` where there is one: `maxRSS` of a process also counts what its parent held when it started it.
 */
export function peakMemoryMiB(): number {
  const file = '/proc/self/status'
  const peakKiB = existsSync(file) ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync(file, 'utf8'))?.[1]) : Number.NaN
  return Math.round((Number.isNaN(peakKiB) ? process.resourceUsage().maxRSS : peakKiB) / 1024)
}
