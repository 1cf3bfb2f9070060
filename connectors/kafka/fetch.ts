/** The Fetch request, answered with the bytes of record batches as the broker keeps them: nothing is decoded here. */
import * as kafka from '@platformatic/kafka'
import { type ApiVersions, apiVersions } from './client.ts'

/** What a broker gave of one partition (Kafka protocol guide, "Fetch API"). */
export interface Fetched {
  readonly errorCode: number
  /** Next offset after the last record that is settled: committed, or aborted. */
  readonly lastStableOffset: bigint
  /** Offset of the first record that is kept. */
  readonly logStartOffset: bigint
  /** Transactions in these records that were aborted: whose, and from which offset on. */
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches one after another, the last one perhaps cut short: the pieces in which they arrived. */
  readonly pieces: readonly Buffer[]
  /** More than 0: the broker held back because of a quota. */
  readonly throttleMs: number
}

/** A transaction whose records do not count. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

/** Where to read from, and how much. */
export interface FetchPlace {
  readonly topicId: string
  readonly partition: number
  readonly offset: bigint
  readonly maxBytes: number
}

type FetchArgs = Parameters<typeof kafka.fetchV17.createRequest>

/** Longest that a broker may wait for records that are not there. */
const maxWaitMs = 500

/** By topic id, so that records of a topic made later under the same name are never given for those asked for. */
export const fetchApi: ApiVersions<FetchArgs, Fetched> = apiVersions(
  'Fetch',
  ...[kafka.fetchV13, kafka.fetchV14, kafka.fetchV15, kafka.fetchV16, kafka.fetchV17].map(({ api, createRequest }) => ({
    api: kafka.createAPI<FetchArgs, Fetched>(1, api.version, createRequest, parseFetched),
  })),
)

/** The arguments of a Fetch request for one partition, outside of a session, of records that are settled. */
export function fetchArguments({ topicId, partition, offset, maxBytes }: FetchPlace): FetchArgs {
  const place = {
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: offset,
    lastFetchedEpoch: -1,
    partitionMaxBytes: maxBytes,
  }
  const isolation = kafka.FetchIsolationLevels.READ_COMMITTED
  return [maxWaitMs, 1, maxBytes, isolation, 0, -1, [{ topicId, partitions: [place] }], [], '']
}

/** Of a response with at most one partition. */
function parseFetched(_correlation: number, _key: number, _version: number, reader: kafka.Reader): Fetched {
  const throttleMs = reader.readInt32()
  const errorCode = reader.readInt16()
  reader.readInt32() // session
  let found: Fetched | null = null
  reader.readArray(
    (topic) => {
      topic.readUUID()
      topic.readArray(
        (partition) => {
          found = parsePartition(partition, throttleMs)
        },
        true,
        false,
      )
    },
    true,
    true,
  )
  if (found !== null && errorCode === 0) return found
  const none = { lastStableOffset: -1n, logStartOffset: -1n, aborted: [], pieces: [] }
  return { errorCode, throttleMs, ...none }
}

function parsePartition(reader: kafka.Reader, throttleMs: number): Fetched {
  reader.readInt32() // partition
  const errorCode = reader.readInt16()
  reader.readInt64() // high watermark
  const lastStableOffset = reader.readInt64()
  const logStartOffset = reader.readInt64()
  const aborted = reader.readNullableArray((each) => ({ producerId: each.readInt64(), firstOffset: each.readInt64() }))
  reader.readInt32() // preferred replica
  const size = reader.readUnsignedVarInt() - 1
  const pieces = size > 0 ? reader.buffer.subarray(reader.position, reader.position + size).buffers : []
  if (size > 0) reader.skip(size)
  reader.readTaggedFields()
  return { errorCode, throttleMs, lastStableOffset, logStartOffset, aborted: aborted ?? [], pieces }
}
