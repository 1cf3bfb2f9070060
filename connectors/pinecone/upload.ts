/** Records into an index, all but those that are refused for what is in them. */
import { type PineconeIndex, RefusedContent } from './client.ts'
import type { WrittenRecord } from './records.ts'

/** A record that is not in the index. */
export interface Rejected {
  readonly record: WrittenRecord
  readonly message: string
}

/** Whether a record of this id can be in an index at all. */
export function isId(id: string): boolean {
  return id !== '' && id.length <= 512 && Buffer.byteLength(id) === id.length // of ASCII
}

/** Writes all that Pinecone takes, and finds what it does not by halving the request. */
export async function upload(
  index: PineconeIndex,
  namespace: string,
  records: readonly WrittenRecord[],
): Promise<Rejected[]> {
  const rejected = records.flatMap((record) => (record.fault === null ? [] : [{ record, message: record.fault }]))
  const sent = rejected.length === 0 ? records : records.filter(({ fault }) => fault === null)
  return [...rejected, ...(await halved(index, namespace, sent))]
}

async function halved(index: PineconeIndex, namespace: string, records: readonly WrittenRecord[]): Promise<Rejected[]> {
  if (records.length === 0) return []
  try {
    await index.upsert(
      namespace,
      records.map(({ json }) => json),
    )
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
