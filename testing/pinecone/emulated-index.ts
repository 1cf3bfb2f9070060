/** One index of the emulator: its vectors by namespace, what may be written to it, and what is found. */
import { type Filter, type Metadata, matches } from './filter.ts'
import { type IndexModel, Refusal } from './index-model.ts'

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

/** When reads see what was written: once both hold, in the order of the writes. */
export interface Visibility {
  /** Reads of the index that do not see it yet. */
  readonly staleReads: number
  readonly afterMs: number
  readonly nowMs: () => number
}

const largestMetadata = 40 * 1024
const longestId = 512
const mostRecords = 1000

/** Vectors by namespace, with writes that may be seen late. */
export class EmulatedIndex {
  model: IndexModel
  private readonly namespaces = new Map<string, Map<string, EmulatedRecord>>()
  private readonly pending: { readonly write: Write; readonly dueMs: number; reads: number }[] = []
  private readonly visibility: Visibility

  constructor(model: IndexModel, visibility: Visibility = { staleReads: 0, afterMs: 0, nowMs: () => 0 }) {
    this.model = model
    this.visibility = visibility
  }

  /** Throws {@link Refusal} for what may not be written. */
  check(records: readonly EmulatedRecord[]): void {
    if (!Array.isArray(records) || records.length === 0) throw new Refusal('vectors must hold at least one vector')
    if (records.length > mostRecords)
      throw new Refusal(`Request exceeds the limit of ${mostRecords} vectors: ${records.length}`)
    for (const record of records) this.checkRecord(record)
  }

  private checkRecord(record: EmulatedRecord): void {
    if (typeof record !== 'object' || record === null) throw new Refusal('a vector must be an object')
    const { id, values, metadata } = record
    checkId(id)
    if ('sparseValues' in record) throw new Refusal('Index configuration does not support sparse values')
    this.checkValues(values)
    if (metadata !== undefined) checkMetadata(metadata)
  }

  private checkValues(values: readonly number[]): void {
    const { dimension } = this.model
    if (!Array.isArray(values) || values.length !== dimension)
      throw new Refusal(
        `Vector dimension ${values?.length ?? 0} does not match the dimension of the index ${dimension}`,
      )
    if (!values.every((value) => typeof value === 'number' && Number.isFinite(Math.fround(value))))
      throw new Refusal('vector values must be 32-bit floats')
    if (values.every((value) => value === 0))
      throw new Refusal('Dense vectors must contain at least one non-zero value')
  }

  /** Applies a change; reads see it once it is due. */
  write(write: Write): void {
    const { staleReads, afterMs, nowMs } = this.visibility
    if (staleReads === 0 && afterMs === 0) this.apply(write)
    else this.pending.push({ write, dueMs: nowMs() + afterMs, reads: staleReads })
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

  /** What a read sees, by namespace and id. */
  private seen(): ReadonlyMap<string, ReadonlyMap<string, EmulatedRecord>> {
    for (const each of this.pending) each.reads -= 1
    const nowMs = this.visibility.nowMs()
    const isDue = (each: (typeof this.pending)[number] | undefined) =>
      each !== undefined && each.reads < 0 && each.dueMs <= nowMs
    while (isDue(this.pending[0])) this.apply(this.pending.shift()!.write)
    return this.namespaces
  }

  /** What a read sees of a namespace, by id. */
  read(namespace: string): ReadonlyMap<string, EmulatedRecord> {
    return this.seen().get(namespace) ?? new Map()
  }

  /** Whether there is such a namespace, for those who write. */
  hasNamespace(namespace: string): boolean {
    return this.namespaces.has(namespace) || this.pending.some(({ write }) => write.namespace === namespace)
  }

  /** Vectors by namespace, as a read sees them. */
  counts(): ReadonlyMap<string, number> {
    return new Map([...this.seen()].map(([name, space]) => [name, space.size]))
  }

  /** Everything that was written, due or not: for tests that compare. From here on reads see it, too. */
  contents(): ReadonlyMap<string, ReadonlyMap<string, EmulatedRecord>> {
    for (const { write } of this.pending.splice(0)) this.apply(write)
    return this.namespaces
  }

  /** The nearest vectors, best first, ties by id. */
  query(
    namespace: string,
    vector: readonly number[],
    { topK, filter }: { readonly topK: number; readonly filter: Filter | null },
  ): { record: EmulatedRecord; score: number }[] {
    this.checkValues(vector)
    return [...this.read(namespace).values()]
      .filter(({ metadata = {} }) => filter === null || matches(metadata, filter))
      .map((record) => ({ record, score: score(this.model.metric, vector, record.values) }))
      .sort((a, b) => b.score - a.score || (a.record.id < b.record.id ? -1 : 1))
      .slice(0, topK)
  }
}

/** Throws {@link Refusal} for what is no id. */
export function checkId(id: unknown): void {
  if (typeof id !== 'string' || id === '' || id.length > longestId)
    throw new Refusal(`Vector ID must have 1 to ${longestId} characters`)
  if (Buffer.byteLength(id) !== id.length) throw new Refusal(`Vector ID must be ASCII, but got '${id}'`)
}

function checkMetadata(metadata: Metadata): void {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw new Refusal('metadata must be an object')
  for (const [field, value] of Object.entries(metadata)) {
    if (field.startsWith('$')) throw new Refusal(`Metadata field names must not start with a $: '${field}'`)
    const flat = ['string', 'boolean'].includes(typeof value) || (typeof value === 'number' && Number.isFinite(value))
    const list = Array.isArray(value) && value.every((each) => typeof each === 'string')
    if (!flat && !list)
      throw new Refusal(
        `Metadata value must be a string, number, boolean or list of strings, got '${JSON.stringify(value)}' for field '${field}'`,
      )
  }
  const size = Buffer.byteLength(JSON.stringify(metadata))
  if (size > largestMetadata)
    throw new Refusal(`Metadata size is ${size} bytes, which exceeds the limit of ${largestMetadata} bytes per vector`)
}

function score(metric: IndexModel['metric'], a: readonly number[], b: readonly number[]): number {
  let [product, squaresOfA, squaresOfB, distance] = [0, 0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!
    squaresOfA += a[i]! ** 2
    squaresOfB += b[i]! ** 2
    distance += (a[i]! - b[i]!) ** 2
  }
  if (metric === 'dotproduct') return product
  if (metric === 'euclidean') return -distance
  return product / Math.sqrt(squaresOfA * squaresOfB)
}
