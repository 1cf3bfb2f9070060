/** Part of a core that processes may use: a control group of Linux, version 1 or 2, which root may make. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A control group whose processes have so much of a core in common. */
export interface CpuShare {
  /** File into which a process writes its id to be held to it, with all that it starts. */
  readonly join: string
  /** After the last of its processes has ended. */
  remove(): void
}

const periodMicros = 20_000
const root = '/sys/fs/cgroup'

/** A new group. @param cores such as 0.5: half of the time of one core */
export function cpuShare(name: string, cores: number): CpuShare {
  const unified = existsSync(join(root, 'cgroup.controllers'))
  const dir = join(unified ? root : join(root, 'cpu'), name)
  const quota = Math.round(periodMicros * cores)
  mkdirSync(dir)
  if (unified) writeFileSync(join(dir, 'cpu.max'), `${quota} ${periodMicros}`)
  else {
    writeFileSync(join(dir, 'cpu.cfs_period_us'), String(periodMicros))
    writeFileSync(join(dir, 'cpu.cfs_quota_us'), String(quota))
  }
  return { join: join(dir, 'cgroup.procs'), remove: () => rmdirSync(dir) }
}
