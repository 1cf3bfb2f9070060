/** One limit for the process, divided among all that takes memory in it. Pure. */

/** What each part may take, in bytes. */
export interface MemoryShares {
  /** The process's DuckDB database; an open store has one of its own beside it, of a part of this. */
  readonly duckdbBytes: number
  /** Buffer pool of the embedded graph. */
  readonly graphBytes: number
  /** Old generation of a worker thread's heap; records lie outside of it. */
  readonly workerHeapBytes: number
  /** Most that a batch reads of keys, values and headers. */
  readonly batchBytes: number
  /** What is kept in memory to be searched, in a process that runs no batches. */
  readonly heldBytes: number
}

const mebibyte = 2 ** 20

/** The least that a process can be asked to stay below. */
export const leastMemoryLimitBytes = 256 * mebibyte

/** What a process may take unless it is configured. */
export const defaultMemoryLimitBytes = 768 * mebibyte

/** Node.js, the libraries of the stores, and code and heap of the main thread: there whatever is done. */
const fixedBytes = 192 * mebibyte

/**
 * Divides what is left beside the fixed part. The shares do not add up to all of it: allocators keep some of what they were given back, and
 * worker threads hold records while they write.
 */
export function shareMemory(limitBytes: number): MemoryShares {
  const left = Math.max(limitBytes - fixedBytes, 0)
  const share = (part: number, least: number) => Math.max(Math.floor(left * part), least * mebibyte)
  const duckdbBytes = share(0.45, 96)
  return {
    duckdbBytes,
    graphBytes: share(0.25, 96), // it holds all that a commit changes, and nothing between two
    workerHeapBytes: share(0.15, 64),
    heldBytes: share(0.25, 64),
    batchBytes: Math.floor(duckdbBytes / 10),
  }
}

/** Threads of a DuckDB database, of as many cores: each needs some of its memory for the rows that it holds. */
export function duckdbThreads(memoryLimitBytes: number, cores: number): number {
  return Math.max(1, Math.min(cores, Math.floor(memoryLimitBytes / (48 * mebibyte))))
}
