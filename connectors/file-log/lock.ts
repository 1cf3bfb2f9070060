/**
 * One writer at a time, across processes. A lock is a file whose *name* tells its owner, so that it appears whole; each
 * contender creates its own, then looks for others. Two that come at once may both step back, never both go on; and a
 * dead owner's file can be removed without ever removing a living one's.
 */
import { readFileSync } from 'node:fs'
import { open, readdir, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Ids } from '../../engine/contracts.ts'
import { isSystemError, MillraceError } from '../../engine/errors.ts'
import { storageFailed } from './failures.ts'

/** Held until released, or until the process ends. */
export interface Lock {
  release(): Promise<void>
}

/**
 * Takes the lock `name`, which holds no `~`, in `folder`; what a dead process left is removed. `STORE_BUSY` (retryable) while another living
 * owner holds it. An owner on another host counts as living, since nobody here can tell.
 */
export async function acquireLock(folder: string, name: string, ids: Ids): Promise<Lock> {
  const own = `${name}~${ownerName(process.pid)}.${ids.uuid()}.lock`
  const path = join(folder, own)
  try {
    await (await open(path, 'wx')).close()
  } catch (error) {
    throw storageFailed(path, 'take a lock', error)
  }
  const release = () => removeFile(path)
  try {
    const others = (await readdir(folder)).filter((file) => isLock(file, name) && file !== own)
    for (const other of others) {
      if (isAlive(other, name)) throw busy(folder, other, name)
      await removeFile(join(folder, other))
    }
  } catch (error) {
    await release()
    throw error
  }
  return { release }
}

interface Owner {
  readonly pid: number
  /** Boot and start time of the process, where the system tells: process ids are used again. */
  readonly started: string
  readonly host: string
}

function ownerName(pid: number): string {
  return `${pid}.${startOf(pid) ?? 'unknown'}.${encodeURIComponent(hostname()).replaceAll('.', '%2E')}`
}

function isLock(file: string, name: string): boolean {
  return file.startsWith(`${name}~`) && file.endsWith('.lock')
}

function ownerOf(file: string, name: string): Owner {
  const [pid = '', started = '', host = ''] = file.slice(name.length + 1).split('.')
  return { pid: Number(pid), started, host: decodeURIComponent(host) }
}

function isAlive(file: string, name: string): boolean {
  const owner = ownerOf(file, name)
  if (owner.host !== hostname() || !Number.isInteger(owner.pid)) return true
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if (isSystemError(error, 'ESRCH')) return false
  }
  const started = startOf(owner.pid)
  return started === null || owner.started === 'unknown' || started === owner.started
}

/** Boot id and start in clock ticks, from /proc; null where there is none. */
function startOf(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8)
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // the name before may hold spaces
    return fields[0] === 'Z' ? 'dead' : `${boot}-${fields[19]}`
  } catch {
    return null // no /proc on this system: the process id alone decides
  }
}

function busy(folder: string, file: string, name: string): MillraceError {
  const { pid, host } = ownerOf(file, name)
  return new MillraceError(
    'STORE_BUSY',
    `log is held by process ${pid} on ${host}: ${folder} (stop that process; if it is long gone, delete ${file})`,
    { retryable: true, context: { folder, pid, host } },
  )
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error) => {
    if (!isSystemError(error, 'ENOENT')) throw storageFailed(path, 'remove a lock', error)
  })
}
