/** One index of the emulator: its vectors by namespace, what may be written to it, and what is found. */
import { type Filter, type Metadata, matches } from './filter.ts'

/** What an index is made with. */
export interface IndexModel {
  readonly name: string
  readonly dimension: number
  readonly metric: 'cosine' | 'dotproduct' | 'euclidean'
  readonly spec: unknown
  readonly tags?: Readonly<Record<string, string>>
}

/** A vector with what is stored beside it. */
export interface EmulatedRecord {
  readonly id: string
  readonly values: readonly number[]
  readonly metadata?: Metadata
}

/** A change, as it is applied and journalled. */
export type Write =
  | { readonly kind: 'upsert'; readonly namespace: string; readonly records: readonly EmulatedRecord[] }
  | {
      readonly kind: 'delete'
      readonly namespace: string
      readonly ids: readonly string[] | null
      readonly filter: Filter | null
    }

/** Thrown for what Pinecone answers with 400; the message is the body's. */
export class Refusal extends Error {}

const largestMetadata = 40 * 1024
const longestId = 512
const mostRecords = 1000

/** Writes become visible to reads after so many further reads of the index: 0, at once. */
export class EmulatedIndex {
  readonly model: IndexModel
  private readonly namespaces = new Map<string, Map<string, EmulatedRecord>>()
  private readonly pending: { readonly write: Write; reads: number }[] = []
  private readonly staleReads: number

  constructor(model: IndexModel, staleReads = 0) {
    this.model = model
    this.staleReads = staleReads
  }

  /** Throws {@link Refusal}. */
  check(records: readonly EmulatedRecord[]): void {
    if (!Array.isArray(records) || records.length === 0) throw new Refusal('vectors must hold at least one vector')
    if (records.length > mostRecords)
      throw new Refusal(`${records.length} vectors in one request, ${mostRecords} at most`)
    for (const record of records) this.checkRecord(record)
  }

  private checkRecord({ id, values, metadata = {} }: EmulatedRecord): void {
    const { dimension } = this.model
    if (typeof id !== 'string' || id === '' || id.length > longestId)
      throw new Refusal(`vector id must have 1 to ${longestId} characters`)
    if (!Array.isArray(values) || values.length !== dimension)
      throw new Refusal(
        `Vector dimension ${values?.length ?? 0} does not match the dimension of the index ${dimension}`,
      )
    if (values.every((value) => value === 0))
      throw new Refusal('Dense vectors must contain at least one non-zero value')
    for (const [field, value] of Object.entries(metadata)) {
      const flat = ['string', 'boolean'].includes(typeof value) || (typeof value === 'number' && Number.isFinite(value))
      const list = Array.isArray(value) && value.every((each) => typeof each === 'string')
      if (!flat && !list)
        throw new Refusal(
          `Metadata value must be a string, number, boolean or list of strings, got ${JSON.stringify(value)} for field '${field}'`,
        )
    }
    const size = Buffer.byteLength(JSON.stringify(metadata))
    if (size > largestMetadata)
      throw new Refusal(
        `Metadata size is ${size} bytes, which exceeds the limit of ${largestMetadata} bytes per vector`,
      )
  }

  /** Applies a change; reads see it once it is due. */
  write(write: Write): void {
    if (this.staleReads === 0) this.apply(write)
    else this.pending.push({ write, reads: this.staleReads })
  }

  private apply(write: Write): void {
    const space = this.namespaces.get(write.namespace) ?? new Map<string, EmulatedRecord>()
    if (write.kind === 'upsert') for (const record of write.records) space.set(record.id, record)
    else if (write.ids !== null) for (const id of write.ids) space.delete(id)
    else
      for (const [id, { metadata = {} }] of space)
        if (write.filter === null || matches(metadata, write.filter)) space.delete(id)
    if (space.size === 0) this.namespaces.delete(write.namespace)
    else this.namespaces.set(write.namespace, space)
  }

  /** What a read sees of a namespace, by id. */
  read(namespace: string): ReadonlyMap<string, EmulatedRecord> {
    for (const each of this.pending) each.reads -= 1
    while (this.pending.length > 0 && this.pending[0]!.reads < 0) this.apply(this.pending.shift()!.write)
    return this.namespaces.get(namespace) ?? new Map()
  }

  /** Vectors by namespace, as a read sees them. */
  counts(): ReadonlyMap<string, number> {
    this.read('')
    return new Map([...this.namespaces].map(([name, space]) => [name, space.size]))
  }

  /** Everything that was written, due or not: for tests that compare. */
  contents(): ReadonlyMap<string, ReadonlyMap<string, EmulatedRecord>> {
    for (const { write } of this.pending.splice(0)) this.apply(write)
    return this.namespaces
  }

  /** The nearest vectors, best first, ties by id. */
  query(
    namespace: string,
    vector: readonly number[],
    topK: number,
    filter: Filter | null,
  ): { record: EmulatedRecord; score: number }[] {
    if (vector.length !== this.model.dimension)
      throw new Refusal(
        `Query vector dimension ${vector.length} does not match the dimension of the index ${this.model.dimension}`,
      )
    return [...this.read(namespace).values()]
      .filter(({ metadata = {} }) => filter === null || matches(metadata, filter))
      .map((record) => ({ record, score: this.score(vector, record.values) }))
      .sort((a, b) => b.score - a.score || (a.record.id < b.record.id ? -1 : 1))
      .slice(0, topK)
  }

  private score(a: readonly number[], b: readonly number[]): number {
    let [product, squaresOfA, squaresOfB, distance] = [0, 0, 0, 0]
    for (let i = 0; i < a.length; i++) {
      product += a[i]! * b[i]!
      squaresOfA += a[i]! ** 2
      squaresOfB += b[i]! ** 2
      distance += (a[i]! - b[i]!) ** 2
    }
    if (this.model.metric === 'dotproduct') return product
    if (this.model.metric === 'euclidean') return -distance
    return squaresOfA === 0 || squaresOfB === 0 ? 0 : product / Math.sqrt(squaresOfA * squaresOfB)
  }
}
