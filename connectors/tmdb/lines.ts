/** Lines of text files, plain or gzip, as a stream: memory holds one chunk and one line. */
import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { MillraceError, messageOf } from '../../engine/errors.ts'

/** One line of a file, for messages that say where. */
export interface Line {
  /** Counted from 1, blank lines included. */
  readonly number: number
  /** Without its line end; null if the bytes are no UTF-8. */
  readonly text: string | null
}

const longestLineBytes = 64 * 2 ** 20
const lineFeed = 0x0a

/**
 * The lines that are not blank. Whether a file is gzip is seen from its first bytes, not from its name.
 * @throws MillraceError `SOURCE_READ_FAILED` naming file and line where reading ended too early
 */
export async function* readLines(file: string): AsyncGenerator<Line, void, undefined> {
  let number = 0
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of await openBytes(file)) {
      const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let from = 0
      for (let to = bytes.indexOf(lineFeed); to !== -1; to = bytes.indexOf(lineFeed, from)) {
        number += 1
        yield* line(bytes.subarray(from, to), number)
        from = to + 1
      }
      rest = bytes.subarray(from)
      if (rest.length > longestLineBytes) throw new Error(`a line is longer than ${longestLineBytes} bytes`)
    }
  } catch (error) {
    throw new MillraceError(
      'SOURCE_READ_FAILED',
      `${file}: reading stopped after line ${number}: ${messageOf(error)} (the file is cut short, damaged, or no text)`,
      { cause: error, context: { file, line: number } },
    )
  }
  yield* line(rest, number + 1)
}

function* line(bytes: Buffer, number: number): Generator<Line, void, undefined> {
  if (!isUtf8(bytes)) {
    yield { number, text: null }
    return
  }
  const text = bytes.toString('utf8').trim() // a byte order mark goes with it
  if (text !== '') yield { number, text }
}

async function openBytes(file: string): Promise<AsyncIterable<Buffer>> {
  const gzip = await isGzip(file)
  const source = createReadStream(file, { highWaterMark: 2 ** 18 })
  return gzip ? unzipped(source) : source
}

async function isGzip(file: string): Promise<boolean> {
  await using handle = await open(file)
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0)
  return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
}

/** An error of the file reaches the reader too, and a reader that ends early closes the file. */
async function* unzipped(source: Readable): AsyncGenerator<Buffer, void, undefined> {
  const gunzip = createGunzip({ chunkSize: 2 ** 18 })
  const piped = pipeline(source, gunzip)
  piped.catch(() => {}) // what goes wrong is thrown by the loop below
  for await (const chunk of gunzip) yield chunk as Buffer
  await piped
}

/**
 * Checks that all files can be read, before any of them is.
 * @throws MillraceError `CONFIG_INVALID` with one line per problem
 */
export async function checkFiles(files: readonly string[]): Promise<void> {
  const problems: string[] = []
  for (const file of files) {
    try {
      if ((await stat(file)).isDirectory()) problems.push(`${file}: is a folder (name its files)`)
      else await (await open(file)).close()
    } catch (error) {
      problems.push(`${file}: cannot be read: ${messageOf(error)} (check the path)`)
    }
  }
  if (problems.length > 0) throw new MillraceError('CONFIG_INVALID', problems.join('\n'), { problems })
}
