/** What a graph is known to have: of all pipelines that write to it. */
import type { KeyType } from '../description.ts'
import type { PairInfo } from '../relationships.ts'

/** A label of the graph: its key, and the types of its properties. */
export interface LabelInfo {
  readonly label: string
  /** Property that identifies a node. */
  readonly key: string
  readonly keyType: KeyType
  /** All other properties with their types, as the store calls them. */
  readonly properties: ReadonlyMap<string, string>
}

/** All labels, relationships and pairs of labels that they join. */
export interface Catalog {
  readonly labels: ReadonlyMap<string, LabelInfo>
  /** Types of properties, by type of relationship; the first is the relationship's key. */
  readonly relationships: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly pairs: readonly PairInfo[]
}
