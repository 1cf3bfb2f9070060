/** How a Neo4j service is reached. */

/** One database of one service. Holds a secret: never printed, never part of an error or a description. */
export interface Neo4jSettings {
  /** `bolt://host:7687` or `neo4j://host:7687`; `+s` behind the scheme for TLS, `+ssc` for TLS that trusts any certificate. Without credentials. */
  readonly uri: string
  readonly user: string
  readonly password: string
  /** Null: the one that the service gives to the user. */
  readonly database: string | null
  /** File of the authority that signed the service's certificate, as PEM; null: those that Node trusts. Only for `+s`. */
  readonly caFile: string | null
  /** How long the service may say nothing before what is asked of it fails, as something that may be tried again. Work that takes longer is waited for as long as the service answers beside it. */
  readonly timeoutMs: number
}

/** Of {@link Neo4jSettings}, where nothing else is said. */
export const defaultTimeoutMs = 20_000
