/** What embedded stores may take of memory, beside what the process's database may take: all of it in one place. */

const mib = 2 ** 20

/** The part of a process's memory limit that each open DuckDB store may take at most. */
const storeShare = 1 / 4

/** With less DuckDB cannot work. */
const leastStoreBytes = 64 * mib

/** What one open DuckDB store may take, given the limit of the process's database; it spills to disk beyond. */
export function storeMemoryBytes(memoryLimitBytes: number): number {
  return Math.max(leastStoreBytes, Math.floor(memoryLimitBytes * storeShare))
}

/** What the graph engine may keep in memory while it has the graph open. It cannot spill: a commit that needs more fails. */
export const graphBufferBytes = 512 * mib
