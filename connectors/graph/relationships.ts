/** The relationships of a description, one by one. Pure. */
import type { GraphOptions, GraphRelationship } from './description.ts'

/** A type of relationship between one pair of labels. */
export interface PairInfo {
  readonly type: string
  readonly fromNode: string
  readonly toNode: string
}

/** A relationship of a description, with its type and the labels that it joins. */
export type TypedRelationship = GraphRelationship & PairInfo

/** Relationships of a description, each with its type. */
export function relationshipsOf(options: GraphOptions): TypedRelationship[] {
  return Object.entries(options.relationships ?? {}).flatMap(([type, given]) =>
    [given].flat().map((relationship) => ({ ...(relationship as GraphRelationship), type })),
  )
}

/** Whether two relationships are of one type between the same labels. */
export function samePair(left: PairInfo, right: PairInfo): boolean {
  return left.type === right.type && left.fromNode === right.fromNode && left.toNode === right.toNode
}
