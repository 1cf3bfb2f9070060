/** When the write-ahead log is folded into the file: until then all that is in it is in memory as well. Pure. */

/** The log is folded once it is this long. Small commits take six times as much in memory: each brings room for many rows to every group that it adds to. */
const foldAtBytes = 4 * 2 ** 20

/** How long readers are held back for that, at that length; in proportion where readers that did not end let it grow. */
const leastPatienceMs = 1_000
const mostPatienceMs = 15_000

export interface Folding {
  /** How long to wait for readers to end now; null while the log is not to be folded. */
  patienceMs(logBytes: number): number | null
  /** What an attempt has left of the log. */
  tried(logBytes: number): void
}

/** For one open file. */
export function folding(): Folding {
  let nextAtBytes = foldAtBytes
  return {
    patienceMs: (bytes) =>
      bytes < nextAtBytes ? null : Math.min(mostPatienceMs, Math.round((leastPatienceMs * bytes) / foldAtBytes)),
    tried(bytes) {
      nextAtBytes = bytes < foldAtBytes ? foldAtBytes : bytes + foldAtBytes / 4
    },
  }
}
