/** Which processes of this machine are still there. */
import { isSystemError } from '../../../engine/errors.ts'

/** Whether a process of this id runs, whosever it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isSystemError(error, 'EPERM') // it is another user's
  }
}
