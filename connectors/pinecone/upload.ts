/** Records into an index, all but those that are refused for what is in them. */
import type { PineconeIndex } from './client.ts'
import { RefusedContent, type VectorRecord } from './client.ts'
import type { SizedRecord } from './records.ts'

/** A record that is not in the index. */
export interface Rejected {
  readonly record: VectorRecord
  readonly message: string
}

const longestId = 512
const largestMetadata = 40 * 1024

/** What Pinecone documents as refused (docs.pinecone.io, "Database limits"); null: it is worth a request. */
export function faultOf({ record: { id, values }, metadataBytes }: SizedRecord): string | null {
  if (id === '' || id.length > longestId) return `an id has 1 to ${longestId} characters, not ${id.length}`
  if (values.every((value) => value === 0)) return 'a vector that is all zero has no direction, and cannot be kept'
  if (metadataBytes > largestMetadata)
    return `what is stored beside a vector has at most ${largestMetadata} bytes, not ${metadataBytes}`
  return null
}

/** Whether a record of this id can be in an index at all. */
export function isId(id: string): boolean {
  return /^[\x20-\x7e]{1,512}$/.test(id)
}

/** Writes all that Pinecone takes, and finds what it does not by halving the request. */
export async function upload(
  index: PineconeIndex,
  namespace: string,
  records: readonly SizedRecord[],
): Promise<Rejected[]> {
  const rejected: Rejected[] = []
  const sent: VectorRecord[] = []
  for (const each of records) {
    const fault = faultOf(each)
    if (fault === null) sent.push(each.record)
    else rejected.push({ record: each.record, message: fault })
  }
  return [...rejected, ...(await halved(index, namespace, sent))]
}

async function halved(index: PineconeIndex, namespace: string, records: VectorRecord[]): Promise<Rejected[]> {
  if (records.length === 0) return []
  try {
    await index.upsert(namespace, records)
    return []
  } catch (error) {
    if (!(error instanceof RefusedContent)) throw error
    if (records.length === 1) return [{ record: records[0]!, message: `Pinecone: ${error.message}` }]
    const middle = records.length >> 1
    return [
      ...(await halved(index, namespace, records.slice(0, middle))),
      ...(await halved(index, namespace, records.slice(middle))),
    ]
  }
}
