/** Lines of files that are not understood: the first are kept to be told, all are counted. */

/** Why a line of a file is not sent. */
export interface RefusedLine {
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  readonly message: string
}

/** Refused lines of one command. */
export interface RefusedLines {
  add(refused: RefusedLine): void
  count(): number
  /** Tells of them on standard error; the exit code: 1 if there are any. */
  complain(): number
}

const shown = 20

/** No lines yet. */
export function refusedLines(): RefusedLines {
  const kept: RefusedLine[] = []
  let count = 0
  return {
    add(refused) {
      count += 1
      if (kept.length < shown) kept.push(refused)
    },
    count: () => count,
    complain() {
      for (const { file, line, message } of kept) console.error(`millrace: ${file}: line ${line}: ${message}`)
      if (count > kept.length) console.error(`millrace: and ${count - kept.length} more lines`)
      if (count > 0) console.error(`millrace: ${count} lines were not understood and not sent`)
      return count > 0 ? 1 : 0
    },
  }
}
