/** Record batches that contradict themselves: bytes that arrived as they were sent, and cannot be what they claim to be. */
import { MillraceError } from '../../engine/errors.ts'

/** What is wrong with the bytes at hand, found where their place is not known. */
export class Contradiction extends Error {}

/** Which batch of which partition is meant. */
export interface BatchPlace {
  /** `topic <name> partition <number>`. */
  readonly place: string
  readonly baseOffset: bigint
}

/** `SOURCE_READ_FAILED`: reading again gives the same bytes, so that it is not retried. */
export function damagedBatch({ place, baseOffset }: BatchPlace, why: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'SOURCE_READ_FAILED',
    `${place}: the batch of records at offset ${baseOffset} ${why} (its sender is at fault; to read on behind it, delete the partition's records up to the next batch with kafka-delete-records.sh and set onDataLoss: 'continue')`,
    { context: { place, offset: String(baseOffset) }, ...(cause === undefined ? {} : { cause }) },
  )
}

/** `SOURCE_READ_FAILED` for a batch that may be whole, but takes more memory than it is given. */
export function oversizedBatch({ place, baseOffset }: BatchPlace, packed: number, limit: number): MillraceError {
  return new MillraceError(
    'SOURCE_READ_FAILED',
    `${place}: the batch of records at offset ${baseOffset} unpacks from ${packed} bytes to more than ${limit} (raise KAFKA_MAX_BATCH_MIB if it is meant to; otherwise delete the partition's records up to the next batch with kafka-delete-records.sh and set onDataLoss: 'continue')`,
    { context: { place, offset: String(baseOffset), limit } },
  )
}
