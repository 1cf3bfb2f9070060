/** Few at a time: what waits here does not wait inside a client, whose timeouts would run meanwhile. */

/** Runs work, at most so much of it at once, in the order in which it came. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>

/** Opens a gate for `most` at once. */
export function gate(most: number): Gate {
  const waiting: (() => void)[] = []
  let free = most
  return async (work) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next() // the place goes from one to the other
    }
  }
}
