/** A disk without room, where a library says so in words only. */
import { MillraceError, messageOf } from './errors.ts'

/** Whether it was for lack of room on a disk that something failed. */
export function saysDiskFull(error: unknown): boolean {
  return /no space left|disk (is )?full|disk quota exceeded/i.test(messageOf(error))
}

/**
 * The error of a sink's write: `STORAGE_FAILED`, retryable, where the disk was full, since room may come back; else
 * `SINK_FAILED`. An error that is ours already and has nothing to do with the disk stays as it is.
 */
export function writeFailure(what: string, cause: unknown, context: MillraceError['context'] = {}): MillraceError {
  if (saysDiskFull(cause) && !(cause instanceof MillraceError && cause.code === 'STORAGE_FAILED'))
    return new MillraceError('STORAGE_FAILED', `${what}: ${messageOf(cause)} (free some space)`, {
      retryable: true,
      context,
      cause,
    })
  if (cause instanceof MillraceError) return cause
  return new MillraceError('SINK_FAILED', `${what}: ${messageOf(cause)}`, { context, cause })
}
