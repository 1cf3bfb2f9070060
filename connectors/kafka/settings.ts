/** How a cluster is reached. Plain data, so that worker threads open clients of their own. */

/** One cluster. Holds secrets: never printed, never part of an error or a description. */
export interface KafkaSettings {
  /** `host:port` of brokers to begin with; the others are learned from them. */
  readonly brokers: readonly string[]
  /** Name that brokers log and give quotas to. */
  readonly clientId: string
  /** Null: plain text. */
  readonly tls: KafkaTls | null
  /** Null: no authentication. */
  readonly sasl: KafkaSasl | null
  /** Put before a pipeline's name to make its consumer group's. */
  readonly groupPrefix: string
  /**
   * Name of this process within its groups, stable over restarts: a process that comes back under it takes its
   * partitions again at once, without waiting for the group to miss the one that died. Null: another one each time.
   */
  readonly groupMember: string | null
  /** Bytes that one batch of records may unpack to; a larger one is refused. Default 128 MiB. */
  readonly maxUnpackedBytes?: number
}

/** Certificates as PEM texts. */
export interface KafkaTls {
  /** Authority that signed the brokers' certificates; null: those that Node trusts. */
  readonly ca: string | null
  /** Ours, where brokers ask for one. */
  readonly cert: string | null
  readonly key: string | null
}

/** Who we are to the brokers. */
export interface KafkaSasl {
  readonly mechanism: SaslMechanism
  readonly username: string
  readonly password: string
}

/** The mechanisms that are supported. */
export const saslMechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const

/** One of {@link saslMechanisms}. */
export type SaslMechanism = (typeof saslMechanisms)[number]
