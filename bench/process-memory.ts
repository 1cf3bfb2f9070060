/** The memory of a process, where `/proc` tells of it (Linux). */
import { readFileSync } from 'node:fs'

export interface ProcessMemory {
  readonly residentMiB: number
  /** The most that was resident at any time. */
  readonly peakMiB: number
}

/** Null on another system, or if the process has ended. */
export function processMemory(pid: number): ProcessMemory | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const mib = (field: string): number =>
      Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024)
    const memory = { residentMiB: mib('VmRSS'), peakMiB: mib('VmHWM') }
    return Number.isNaN(memory.residentMiB) ? null : memory
  } catch {
    return null
  }
}
