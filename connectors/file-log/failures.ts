/** The errors of the embedded log, each made in one place so that messages read alike. */
import { isSystemError, MillraceError, messageOf } from '../../engine/errors.ts'

/** Where in a topic something was found. */
export interface LogPlace {
  readonly topic: string
  readonly partition: number
  /** Path of the segment file. */
  readonly file: string
  /** Byte position in the file. */
  readonly bytePosition: number
  /** Offset of the first record that cannot be read. */
  readonly offset: bigint
}

/** Damaged bytes that no crash explains: something whole comes after them, or they are in a finished segment. */
export function logCorrupt(place: LogPlace, what: string): MillraceError {
  const { topic, partition, file, bytePosition, offset } = place
  return new MillraceError(
    'LOG_CORRUPT',
    `log of topic ${topic} partition ${partition} is damaged at offset ${offset}: ${what} at byte ${bytePosition} of ${file} (${wayOut(topic)})`,
    { context: { topic, partition, offset: String(offset), file, bytePosition } },
  )
}

/** A last frame that was whole once, and so may have been acknowledged: it is not cut off without a word. */
export function lastFrameDamaged(place: LogPlace): MillraceError {
  const { topic, partition, file, bytePosition, offset } = place
  return new MillraceError(
    'LOG_CORRUPT',
    `log of topic ${topic} partition ${partition} is damaged: the last frame, from offset ${offset} on, at byte ${bytePosition} of ${file}, does not have the checksum that it was written with (${wayOut(topic)})`,
    { context: { topic, partition, offset: String(offset), file, bytePosition } },
  )
}

function wayOut(topic: string): string {
  return `restore that file from a copy, or give up the damaged records: 'millrace log repair ${topic}' shows which they are`
}

/** A partition that its topic names and that is not there. */
export function folderMissing(path: string): MillraceError {
  return new MillraceError('LOG_CORRUPT', `log partition is missing: ${path} (restore that folder from a copy)`, {
    context: { path },
  })
}

/** Records `[start, end)` were asked for and are not kept: `why` says at which end of the log they are missing. */
export function rangeLost(topic: string, partition: number, start: bigint, end: bigint, why: string): MillraceError {
  return new MillraceError(
    'SOURCE_RANGE_LOST',
    `topic ${topic} partition ${partition} no longer has offsets [${start}, ${end}): ${why} (begin the pipeline anew under another name, restore the segments, or let its source pass over them: onDataLoss: 'continue')`,
    { context: { topic, partition, start: String(start), end: String(end) } },
  )
}

/** A topic that must exist and does not. */
export function topicNotFound(dir: string, topic: string): MillraceError {
  return new MillraceError('SOURCE_NOT_FOUND', `topic not found: ${topic} in ${dir} (create it, or check its name)`, {
    context: { topic, dir },
  })
}

/** A file system error; retryable where room or quota may come back. Anything else passes unchanged. */
export function storageFailed(path: string, action: string, cause: unknown): unknown {
  if (cause instanceof MillraceError || !isSystemError(cause, ...storageCodes)) return cause
  const retryable = isSystemError(cause, 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE')
  const message = `log could not ${action}: ${path}: ${messageOf(cause)} (check space and permissions)`
  return new MillraceError('STORAGE_FAILED', message, { retryable, cause, context: { path } })
}

const storageCodes = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'ENOTDIR', 'EISDIR']
