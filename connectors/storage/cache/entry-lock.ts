/** Several processes that want one file: one of them brings it, the others wait for it. */
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { Clock } from '../../../engine/contracts.ts'
import { isSystemError } from '../../../engine/errors.ts'
import { isAbandoned as isLeft, processName } from '../../../engine/process-name.ts'

/** What {@link bringOnce} is told. */
export interface BringOnce {
  /** File that says who is bringing. */
  readonly lock: string
  readonly clock: Clock
  /** Whether there is nothing more to bring. */
  readonly isThere: () => Promise<boolean>
  readonly bring: () => Promise<void>
}

const lookAgainMs = 25
/** A lock that has been there for so long is nobody's, whoever's it was. */
const abandonedMs = 10 * 60_000

/**
 * Returns once the file is there. A lock that a killed process left is taken over. Two may bring it at once if they take
 * over the same lock in the same moment; bringing must bear that.
 */
export async function bringOnce(options: BringOnce): Promise<void> {
  const { lock, clock, isThere, bring } = options
  for (;;) {
    if (await take(lock)) {
      try {
        if (!(await isThere())) await bring()
        return
      } finally {
        await rm(lock, { force: true })
      }
    }
    if (await isAbandoned(lock, clock)) await rm(lock, { force: true })
    else await clock.sleep(lookAgainMs)
    if (await isThere()) return
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, processName(), { flag: 'wx' })
    return true
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false
    throw error
  }
}

async function isAbandoned(lock: string, clock: Clock): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = [await readFile(lock, 'utf8'), await stat(lock)]
    if (clock.nowMs() - mtimeMs > abandonedMs) return true
    return isLeft(lock, text, clock.nowMs()) // an empty one is just being written
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false // it was given back
    throw error
  }
}
