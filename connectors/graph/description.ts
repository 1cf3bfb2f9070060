/** `graph({...})`: nodes and relationships, kept equal to what their owners' rows say today. Data only. */
import type { SinkDescription } from '../../engine/contracts.ts'
import { examine } from '../../engine/shape.ts'
import { graphShape } from './option-shape.ts'

/** Types of keys. */
export type KeyType = 'long' | 'string'

/** Types of properties. Lists are for nodes only. */
export type PropertyType = KeyType | 'double' | 'boolean' | 'date' | 'timestamp' | 'string[]' | 'long[]'

/** Nodes of one label, inserted or replaced by key. */
export interface GraphNodes {
  /** Step that gives the nodes to insert or replace; those that it does not name stay as they are. */
  readonly from: string
  /** Column and property that identifies a node of this label. */
  readonly key: string
  /** Default `long`. */
  readonly keyType?: KeyType
  /** Further columns that become properties of the same name. */
  readonly properties: { readonly [property: string]: PropertyType }
}

/** Nodes of one label that are gone. */
export interface GraphRemovals {
  /** Step that gives the nodes that are gone; their relationships go with them, except those of a {@link GraphStub}. */
  readonly from: string
  /** Column with their keys. */
  readonly key: string
}

/** Nodes whose relationships belong to them: they are replaced as a whole. */
export interface GraphOwners {
  /** Step that names the nodes whose relationships this batch replaces. Removed nodes need not be among them. */
  readonly from: string
  /** Their label. */
  readonly node: string
  /** Column with their keys. */
  readonly key: string
}

/** Relationships of one type, kept equal to the rows of a step, owner by owner. */
export interface GraphRelationship {
  /** Step that gives all relationships of the owners. Rows of other owners, and rows without a key, are left out. */
  readonly from: string
  readonly fromNode: string
  readonly toNode: string
  /** Columns with the keys of the two nodes. One of the labels is the owner's. */
  readonly fromKey: string
  readonly toKey: string
  /** Column and property that tells relationships of this type and owner apart. */
  readonly key: string
  /** Further columns that become properties of the same name. */
  readonly properties: { readonly [property: string]: Exclude<PropertyType, 'string[]' | 'long[]'> }
}

/**
 * A label whose nodes come into being with their first relationship. While nobody has written such a node with
 * `nodes`, all that it holds follows from its relationships, and it goes with the last of them. When it is removed
 * it becomes a stub again, as long as it has relationships.
 */
export interface GraphStub {
  /** Property that identifies a node. */
  readonly key: string
  /** Default `long`. */
  readonly keyType?: KeyType
  /**
   * Property of its relationships that gives the stub's `name`: that of the smallest by label and key of the other node,
   * key and type of the relationship.
   */
  readonly name?: string
  /** Columns of the rows that create it which become its properties; the key must determine them. */
  readonly properties?: { readonly [property: string]: PropertyType }
}

export interface GraphOptions {
  readonly nodes?: { readonly [label: string]: GraphNodes }
  readonly removeNodes?: { readonly [label: string]: GraphRemovals }
  readonly owners?: GraphOwners
  /** By type; several where one type joins several pairs of labels. */
  readonly relationships?: { readonly [type: string]: GraphRelationship | readonly GraphRelationship[] }
  /** Labels that relationships may create, and those that removal turns into stubs; `stub` tells them from the others. */
  readonly stubs?: { readonly [label: string]: GraphStub }
  /**
   * Step that gives the keys of everything that could have led to a write, once each: those of which no node, or no relationship, had to
   * be looked at are counted as `nodesSkipped` and `ownersSkipped`. For the counters alone.
   */
  readonly considered?: string
}

/** Nodes and relationships in the graph: embedded, or in Neo4j where one is configured. Inputs are named like the steps that feed them. */
export function graph(options: GraphOptions): SinkDescription {
  const { value, problems } = examine(options, graphShape, 'graph')
  if (problems !== undefined) return { kind: 'graph', writes: 'store:graph', inputs: {}, options: {}, problems }
  const { nodes = {}, removeNodes = {}, owners, relationships = {}, considered } = value
  const steps = [
    ...(considered === undefined ? [] : [considered]),
    ...Object.values(nodes).map(({ from }) => from),
    ...Object.values(removeNodes).map(({ from }) => from),
    ...(owners === undefined ? [] : [owners.from]),
    ...Object.values(relationships).flatMap((one) => [one].flat().map(({ from }) => from)),
  ]
  return {
    kind: 'graph',
    writes: 'store:graph',
    inputs: Object.fromEntries(steps.map((step) => [step, step])),
    options: { ...value } as unknown as SinkDescription['options'],
  }
}
