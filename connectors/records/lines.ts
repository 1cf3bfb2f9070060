/** Lines of a stream of bytes, plain or gzip: memory holds one chunk and one line. */
import { open, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { MillraceError, messageOf } from '../../engine/errors.ts'

/** One line as it stands, for messages that say where. */
export interface ByteLine {
  /** Counted from 1, blank lines included. */
  readonly number: number
  /** Without the line feed; null if it is longer than {@link longestLineBytes}. */
  readonly bytes: Buffer | null
}

/** Where lines come from. */
export interface LineInput {
  /** For messages: a path, or `standard input`. */
  readonly name: string
  readonly stream: Readable
}

/** A longer line is passed over. */
export const longestLineBytes = 64 * 2 ** 20

/** What is read of a file, or unpacked, at a time. */
export const chunkBytes = 2 ** 18

const lineFeed = 0x0a

/**
 * The lines that each chunk of the input completes, in their order, as soon as it is there; the last need not end in a line feed. Whether
 * the input is gzip is seen from its first bytes. Who ends early closes the stream.
 * @throws MillraceError `SOURCE_READ_FAILED` naming input and line where reading ended too early
 */
export async function* readByteLines({
  name,
  stream,
}: LineInput): AsyncGenerator<readonly ByteLine[], void, undefined> {
  const cutter = lineCutter()
  try {
    for await (const chunk of unpacked(stream)) {
      const lines = cutter.cut(chunk)
      if (lines.length > 0) yield lines
    }
  } catch (error) {
    const line = cutter.number()
    throw new MillraceError(
      'SOURCE_READ_FAILED',
      `${name}: reading stopped after line ${line}: ${messageOf(error)} (the file is cut short, damaged, or no text)`,
      { cause: error, context: { file: name, line } },
    )
  }
  const rest = cutter.rest()
  if (rest !== null) yield [rest]
}

interface LineCutter {
  /** The lines that end in this chunk. */
  cut(chunk: Buffer): ByteLine[]
  /** What is behind the last line feed, if anything. */
  rest(): ByteLine | null
  /** Lines so far. */
  number(): number
}

function lineCutter(): LineCutter {
  let number = 0
  let held: Buffer[] = []
  let heldBytes = 0
  const hold = (part: Buffer): void => {
    heldBytes += part.length
    if (heldBytes > longestLineBytes) held = []
    else if (part.length > 0) held.push(part)
  }
  const take = (): ByteLine => {
    number += 1
    const bytes = heldBytes > longestLineBytes ? null : held.length === 1 ? held[0]! : Buffer.concat(held)
    held = []
    heldBytes = 0
    return { number, bytes }
  }
  return {
    cut(chunk) {
      const lines: ByteLine[] = []
      let from = 0
      for (let to = chunk.indexOf(lineFeed); to !== -1; to = chunk.indexOf(lineFeed, from)) {
        hold(chunk.subarray(from, to))
        lines.push(take())
        from = to + 1
      }
      hold(chunk.subarray(from))
      return lines
    },
    rest: () => (heldBytes === 0 ? null : take()),
    number: () => number,
  }
}

/** The bytes of a stream, out of gzip if it is that. An error of the stream reaches the reader too. */
async function* unpacked(stream: Readable): AsyncGenerator<Buffer, void, undefined> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const { head, isGzip } = await beginning(chunks)
  const whole = behind(head, chunks)
  if (!isGzip) {
    yield* whole
    return
  }
  const gunzip = createGunzip({ chunkSize: chunkBytes })
  const piped = pipeline(Readable.from(whole), gunzip)
  piped.catch(() => {}) // what goes wrong is thrown by the loop below
  for await (const chunk of gunzip) yield chunk as Buffer
  await piped
}

/** As much as tells whether it is gzip: a pipe may bring a single byte first. */
async function beginning(chunks: AsyncIterator<Buffer>): Promise<{ readonly head: Buffer; readonly isGzip: boolean }> {
  let head: Buffer = Buffer.alloc(0)
  while (head.length === 0 || (head.length === 1 && head[0] === 0x1f)) {
    const next = await chunks.next()
    if (next.done === true) break
    head = Buffer.concat([head, next.value])
  }
  return { head, isGzip: head.length > 1 && head[0] === 0x1f && head[1] === 0x8b }
}

async function* behind(head: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  try {
    if (head.length > 0) yield head
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
  } finally {
    await chunks.return?.()
  }
}

/**
 * Checks that all files can be read, before any of them is.
 * @throws MillraceError `CONFIG_INVALID` with one line per problem
 */
export async function checkFiles(files: readonly string[]): Promise<void> {
  const problems: string[] = []
  for (const file of files) {
    try {
      const found = await stat(file)
      if (found.isDirectory()) problems.push(`${file}: is a folder (name its files)`)
      else if (found.isFile()) await (await open(file)).close() // a pipe that is closed again has lost its writer
    } catch (error) {
      problems.push(`${file}: cannot be read: ${messageOf(error)} (check the path)`)
    }
  }
  if (problems.length > 0) throw new MillraceError('CONFIG_INVALID', problems.join('\n'), { problems })
}
