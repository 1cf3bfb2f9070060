/** Positions and ranges: compare, advance, encode as a table's transaction identifiers and back. Pure. */
import type { Position, Range } from '../engine/contracts.ts'

/** A transaction identifier as a table's log holds it (PROTOCOL.md, "Transaction Identifiers"). */
export interface PositionTxn {
  /** See {@link appId}. */
  readonly appId: string
  /** Next offset, or table version, to read. */
  readonly version: bigint
  /** Milliseconds since 1970; never left out, since retention may drop a `txn` without it. */
  readonly lastUpdated: bigint
}

/** `<pipeline>/<sourcePartition>`. Pipeline names hold no slash, so it can be taken apart again. */
export function appId(pipeline: string, sourcePartition: string): string {
  return `${pipeline}/${sourcePartition}`
}

/** The parts of what {@link appId} makes. */
export function partsOfAppId(id: string): { readonly pipeline: string; readonly sourcePartition: string } {
  const slash = id.indexOf('/')
  return { pipeline: id.slice(0, slash), sourcePartition: id.slice(slash + 1) }
}

/** How far `pipeline` has come, out of the transaction identifiers of all that write to the table. */
export function positionOf(txns: ReadonlyMap<string, { readonly version: bigint }>, pipeline: string): Position {
  const prefix = appId(pipeline, '')
  const position = new Map<string, bigint>()
  for (const [id, { version }] of txns) if (id.startsWith(prefix)) position.set(id.slice(prefix.length), version)
  return position
}

/** What a commit of `ranges` writes: the end of each, in the order given. */
export function txnsOf(pipeline: string, ranges: readonly Range[], nowMs: number): PositionTxn[] {
  return ranges.map((range) => ({
    appId: appId(pipeline, range.sourcePartition),
    version: range.end,
    lastUpdated: BigInt(Math.floor(nowMs)),
  }))
}

/** Where `ranges` end, per source partition. */
export function endOf(ranges: readonly Range[]): Position {
  return new Map(ranges.map((range) => [range.sourcePartition, range.end]))
}
