/** Memory and disk of what runs in `beside-stream`, looked at from time to time, and what is wrong with them at the end. */
import type { DiskUsage } from '../bench/disk-usage.ts'
import type { ProcessMemory } from '../bench/process-memory.ts'

export interface Sample {
  readonly seconds: number
  readonly memory: Readonly<Record<string, ProcessMemory | null>>
  readonly disk: DiskUsage
}

export interface Limits {
  /** Of each process at any time. */
  readonly memoryMiB: number
  /** Bytes of silver on the disk per live byte at the end of a run that lasts {@link warmSeconds} at least. */
  readonly diskRatio: number
  /** What is resident in the last quarter of a run may be so many times what was in the third: of a run that lasts {@link warmSeconds} at least. */
  readonly growth: number
}

/** Until then caches fill, code is compiled, tables get their first files, and no file is old enough to be removed by the vacuum of a stream. */
const warmSeconds = 1_200

/** One line for each limit that is broken. */
export function problemsOf(samples: readonly Sample[], limits: Limits): string[] {
  const problems: string[] = []
  const isWarm = (samples.at(-1)?.seconds ?? 0) >= warmSeconds
  for (const name of Object.keys(samples[0]?.memory ?? {})) {
    const peak = Math.max(...samples.map(({ memory }) => memory[name]?.peakMiB ?? 0))
    if (peak > limits.memoryMiB) problems.push(`${name} had ${peak} MiB resident, more than ${limits.memoryMiB}`)
    const [third, last] = [mean(quarter(samples, 2), name), mean(quarter(samples, 3), name)]
    if (isWarm && last > third * limits.growth)
      problems.push(
        `${name} had ${Math.round(third)} MiB resident in the third quarter, ${Math.round(last)} in the last`,
      )
  }
  const ratio = samples.at(-1)?.disk.silverRatio ?? 0
  if (isWarm && ratio > limits.diskRatio)
    problems.push(`silver takes ${ratio.toFixed(2)} times its live bytes, more than ${limits.diskRatio}`)
  return problems
}

function quarter(samples: readonly Sample[], index: number): readonly Sample[] {
  const at = (part: number): number => Math.floor((samples.length * part) / 4)
  return samples.slice(at(index), at(index + 1))
}

function mean(samples: readonly Sample[], name: string): number {
  const found = samples.map(({ memory }) => memory[name]?.residentMiB).filter((mib) => mib !== undefined)
  return found.reduce((sum, mib) => sum + mib, 0) / Math.max(1, found.length)
}
