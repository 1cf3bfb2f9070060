import type { SinkCommit } from './contracts.ts'

/** What a pipeline called `p` commits of version `at` of a table, with what is given in its place. */
export function commitAt(at: number, given: Partial<SinkCommit> = {}): SinkCommit {
  return {
    pipeline: 'p',
    txnId: `t${at}`,
    fingerprint: 'f',
    ranges: [{ sourcePartition: 'silver', start: BigInt(at), end: BigInt(at + 1) }],
    initial: new Map(),
    outputs: new Map(),
    columns: new Map(),
    signal: new AbortController().signal,
    ...given,
  }
}
