/** A graph for those who ask questions, whatever keeps it. */

/** Values of a query's parameters, by name without `$`. Numbers go as text, and are cast in the query. */
export type GraphParameters = { readonly [name: string]: string | boolean | readonly string[] }

/** One row of a query's result, by column; days and times are text, as `engine/readable.ts` has them. */
export type GraphRow = { readonly [column: string]: unknown }

/** Runs one query that only reads. */
export type ReadCypher = (cypher: string, parameters?: GraphParameters) => Promise<readonly GraphRow[]>

/** Where stores spell the same thing differently. */
export interface CypherDialect {
  /** An expression as text, exact for whole numbers of any size. */
  text(expression: string): string
  /** A text as a whole number of 64 bits. */
  long(expression: string): string
}

export interface Graph {
  readonly dialect: CypherDialect
  /**
   * Rows of a Cypher query that only reads. Whole numbers are bigint; one beyond 2^53 may be refused: return it as text.
   * `SINK_FAILED` with the engine's message for a query that is wrong, or would write.
   */
  readonly query: ReadCypher
  /** Nodes per label and relationships per type, by name; the store's own nodes are left out. */
  counts(): Promise<{
    readonly nodes: ReadonlyMap<string, number>
    readonly relationships: ReadonlyMap<string, number>
  }>
  /**
   * A path of the fewest relationships between two nodes, both ends included; null if there is none. Which of several
   * is not promised. `CONFIG_INVALID` for an end that is not in the graph, naming those that come near.
   */
  shortestPath(question: PathQuestion): Promise<readonly PathStep[] | null>
  close(): Promise<void>
}

/** Two nodes, and how they may be joined. */
export interface PathQuestion {
  /** Label of both ends, whose nodes have a property `name`: `Person`. */
  readonly label: string
  /** Types of relationships to follow, in either direction; those that the graph does not have are left out. */
  readonly via: readonly string[]
  /** A key, or a name in any case; of several nodes of that name the one with the most relationships. */
  readonly from: string
  readonly to: string
  /** Relationships at most, up to 30. Default 15. */
  readonly maxHops?: number
}

/** A node on a path. */
export interface PathStep {
  readonly label: string
  /** The node's key, as text. */
  readonly key: string
  /** Its property `name` or `title`. */
  readonly name: string | null
  /** Type of the relationship that led here; null for the first. */
  readonly via: string | null
}
