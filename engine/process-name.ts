/**
 * Names by which processes mark what is theirs, so that what killed ones left can be told from what others use. A process id
 * alone does not do: it is given again, in a container to every run.
 */
import { readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { isSystemError } from './errors.ts'

/** The parts of a name. */
export interface ProcessName {
  readonly pid: number
  /** Boot and start time of the process, where the system tells; null in a name that is only a process id. */
  readonly started: string | null
  readonly host: string
}

const unknownStart = 'unknown'
const thisHost = encodeURIComponent(hostname())

/** The name of this process, fit for a part of a file's: `<pid>.<start>.<host>`, without any other `.`. */
export function processName(): string {
  return `${process.pid}.${startOf(process.pid) ?? unknownStart}.${thisHost.replaceAll('.', '%2E')}`
}

/** The parts of a name, or of a process id alone, as it was written before there were names; null for any other text. */
export function parseProcessName(text: string): ProcessName | null {
  const match = /^(\d{1,9})(?:\.([^.]+)\.([^.]+))?$/.exec(text)
  if (match === null) return null
  const [, pid, started = null, host = thisHost] = match
  return { pid: Number(pid), started, host: host.replaceAll('%2E', '.') }
}

/** Whether a process lives; `unknown` if it is one of another host, of which nobody here can tell. */
export function lifeOf({ pid, started, host }: ProcessName): 'alive' | 'dead' | 'unknown' {
  if (host !== thisHost) return 'unknown'
  if (started === null && pid === process.pid) return 'dead' // ours would have its start
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (isSystemError(error, 'ESRCH')) return 'dead' // any other: it is another user's
  }
  if (started === null || started === unknownStart) return 'alive'
  const now = startOf(pid)
  return now === null || now === started ? 'alive' : 'dead'
}

/** What a process that nobody here can see has not touched for so long is taken for abandoned. */
const untouchedMs = 24 * 3_600_000

/** Whether nobody needs a file or folder any more that is marked with a name. False for a name of another kind. */
export function isAbandoned(path: string, name: string, nowMs: number): boolean {
  const owner = parseProcessName(name)
  if (owner === null) return false
  const life = lifeOf(owner)
  if (life !== 'unknown') return life === 'dead'
  const touched = statSync(path, { throwIfNoEntry: false })
  return touched !== undefined && nowMs - touched.mtimeMs > untouchedMs
}

/** Boot id and start in clock ticks, from /proc; null where there is none, and the process id alone decides. */
function startOf(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // the name before may hold spaces
    return fields[0] === 'Z' ? 'dead' : `${boot}-${fields[19]}`
  } catch {
    return null
  }
}
