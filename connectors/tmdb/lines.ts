/** Lines of text files, plain or gzip, as a stream. */
import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { MillraceError } from '../../engine/errors.ts'
import { chunkBytes, longestLineBytes, readByteLines } from '../records/lines.ts'

/** One line of a file, for messages that say where. */
export interface Line {
  /** Counted from 1, blank lines included. */
  readonly number: number
  /** Without its line end; null if the bytes are no UTF-8. */
  readonly text: string | null
}

/**
 * The lines that are not blank. Whether a file is gzip is seen from its first bytes, not from its name.
 * @throws MillraceError `SOURCE_READ_FAILED` naming file and line where reading ended too early
 */
export async function* readLines(file: string): AsyncGenerator<Line, void, undefined> {
  const stream = createReadStream(file, { highWaterMark: chunkBytes })
  for await (const lines of readByteLines({ name: file, stream }))
    for (const { number, bytes } of lines) {
      if (bytes === null) throw tooLong(file, number)
      yield* line(bytes, number)
    }
}

function* line(bytes: Buffer, number: number): Generator<Line, void, undefined> {
  if (!isUtf8(bytes)) {
    yield { number, text: null }
    return
  }
  const text = bytes.toString('utf8').trim() // a byte order mark goes with it
  if (text !== '') yield { number, text }
}

function tooLong(file: string, line: number): MillraceError {
  return new MillraceError(
    'SOURCE_READ_FAILED',
    `${file}: line ${line} is longer than ${longestLineBytes} bytes (the file is damaged, or no text)`,
    { context: { file, line } },
  )
}
