/** How a ClickHouse service is reached. */

/** One database of one service. Holds a secret: never printed, never part of an error or a description. */
export interface ClickhouseSettings {
  /** `http://host:8123` or `https://host:8443`, without credentials. */
  readonly url: string
  readonly user: string
  readonly password: string
  /** Must exist. */
  readonly database: string
  /** PEM text of the authority that signed the service's certificate; null: those that Node trusts. */
  readonly ca: string | null
  /** How long the service may say nothing before a request fails, as one that may be tried again. A busy service says now and then that it works. */
  readonly requestTimeoutMs: number
}

/** Of {@link ClickhouseSettings}, where nothing else is said. */
export const defaultRequestTimeoutMs = 30_000
