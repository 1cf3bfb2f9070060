/** The Produce request, with record batches as they are: encoded once, whatever is tried how often. */
import * as kafka from '@platformatic/kafka'
import { type ApiVersions, apiVersions } from './client.ts'

/** Batches for partitions of one topic, at most one for each. */
export interface ProduceRequest {
  readonly topic: string
  readonly transactionId: string | null
  readonly batches: readonly { readonly partition: number; readonly bytes: Buffer }[]
}

const allReplicasInSync = -1
const timeoutMs = 15_000

/** Answered with the error code of each partition (Kafka protocol guide, "Produce API"). */
export const produceApi: ApiVersions<[ProduceRequest], ReadonlyMap<number, number>> = apiVersions(
  'Produce',
  ...[kafka.produceV9, kafka.produceV10, kafka.produceV11].map(({ api }) => ({
    api: kafka.createAPI<[ProduceRequest], ReadonlyMap<number, number>>(0, api.version, createRequest, parseResponse),
  })),
)

function createRequest({ topic, transactionId, batches }: ProduceRequest): kafka.Writer {
  return kafka.Writer.create()
    .appendString(transactionId)
    .appendInt16(allReplicasInSync)
    .appendInt32(timeoutMs)
    .appendArray([topic], (writer) => {
      writer.appendString(topic).appendArray([...batches], (inner, { partition, bytes }) => {
        inner
          .appendInt32(partition)
          .appendUnsignedVarInt(bytes.length + 1)
          .append(bytes)
      })
    })
    .appendTaggedFields()
}

function parseResponse(_correlation: number, _key: number, _version: number, reader: kafka.Reader) {
  const codes = new Map<number, number>()
  reader.readArray((topic) => {
    topic.readString()
    topic.readArray((partition) => {
      const index = partition.readInt32()
      codes.set(index, partition.readInt16())
      partition.readInt64() // base offset
      partition.readInt64() // log append time
      partition.readInt64() // log start offset
      partition.readArray((error) => {
        error.readInt32()
        error.readNullableString()
      })
      partition.readNullableString()
    })
  })
  reader.readInt32() // throttle time
  reader.readTaggedFields()
  return codes
}
