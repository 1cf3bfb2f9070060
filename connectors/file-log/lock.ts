/**
 * One writer at a time, across processes. A lock is a file whose *name* tells its owner, so that it appears whole; each
 * contender creates its own, then looks for others. Two that come at once may both step back, never both go on; and a
 * dead owner's file can be removed without ever removing a living one's.
 */
import { open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ids } from '../../engine/contracts.ts'
import { isSystemError, MillraceError } from '../../engine/errors.ts'
import { lifeOf, type ProcessName, parseProcessName, processName } from '../../engine/process-name.ts'
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
  const own = `${name}~${processName()}.${ids.uuid()}.lock`
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

/** Whether a living process holds the lock `name` in `folder`, as far as anybody here can tell. */
export async function isHeld(folder: string, name: string): Promise<boolean> {
  return (await readdir(folder)).some((file) => isLock(file, name) && isAlive(file, name))
}

function isLock(file: string, name: string): boolean {
  return file.startsWith(`${name}~`) && file.endsWith('.lock')
}

/** `<name>~<process name>.<id>.lock`. */
function ownerOf(file: string, name: string): ProcessName | null {
  return parseProcessName(
    file
      .slice(name.length + 1)
      .split('.')
      .slice(0, 3)
      .join('.'),
  )
}

function isAlive(file: string, name: string): boolean {
  const owner = ownerOf(file, name)
  return owner === null || lifeOf(owner) !== 'dead'
}

function busy(folder: string, file: string, name: string): MillraceError {
  const { pid = '?', host = '?' } = ownerOf(file, name) ?? {}
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
