/** Large JSON line files, written without holding them in memory. */
import { open } from 'node:fs/promises'
import { printJson } from './int64-json.ts'

const chunkChars = 2 ** 20

/** What a reader of the file has to expect. */
export interface WrittenLines {
  readonly lines: number
  /** Size of the longest, at most. */
  readonly longestBytes: number
}

/** Writes one line per value to a new local file. Not flushed to disk. */
export async function writeLines(path: string, values: Iterable<unknown>): Promise<WrittenLines> {
  const file = await open(path, 'wx')
  try {
    let lines = 0
    let longestChars = 0
    let chunk = ''
    for (const value of values) {
      const line = printJson(value)
      chunk += `${line}\n`
      lines += 1
      longestChars = Math.max(longestChars, line.length)
      if (chunk.length < chunkChars) continue
      await file.writeFile(chunk)
      chunk = ''
    }
    await file.writeFile(chunk)
    return { lines, longestBytes: longestChars * 3 }
  } finally {
    await file.close()
  }
}
