/** Services that stand in for what is embedded: their settings, and one client a process for each, opened when first asked for. */
import type { Clickhouse } from '../connectors/clickhouse/client.ts'
import type { ClickhouseSettings } from '../connectors/clickhouse/settings.ts'
import type { KafkaClient } from '../connectors/kafka/client.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import type { Neo4j } from '../connectors/neo4j/client.ts'
import type { Neo4jSettings } from '../connectors/neo4j/settings.ts'
import type { PineconeIndex } from '../connectors/pinecone/client.ts'
import type { PineconeSettings } from '../connectors/pinecone/settings.ts'
import type { Clock, Ids } from '../engine/contracts.ts'
import type { Embedder } from '../engine/embedder.ts'
import { localSettings, openEmbedder } from '../operators/embedders/registry.ts'
import type { EmbedderSettings } from '../operators/embedders/settings.ts'
import type { ChatSettings } from './chat-config.ts'

/** Where null: what is embedded serves. */
export interface ServiceSettings {
  /** The cluster that serves topics. */
  readonly kafka: KafkaSettings | null
  /** The service that serves OLAP tables. */
  readonly clickhouse: ClickhouseSettings | null
  /** The service that keeps vectors. */
  readonly pinecone: PineconeSettings | null
  /** What definitions mean by the embedder `default`. */
  readonly embedder: EmbedderSettings
  /** The model that answers questions; null: nobody does. */
  readonly chat: ChatSettings | null
  /** The service that serves the graph. */
  readonly neo4j: Neo4jSettings | null
}

/** Services with their clients. A client of a service that is not configured must not be asked for. */
export interface Services extends ServiceSettings {
  kafkaClient(): Promise<KafkaClient>
  /** Throws if the service does not let us in. */
  clickhouseClient(): Promise<Clickhouse>
  /** Throws if the service does not let us in. */
  neo4jClient(): Promise<Neo4j>
  /** Throws if the service does not let us in. */
  pineconeIndex(): Promise<PineconeIndex>
  /** The embedder that a definition names. Throws for wrong settings; a model is loaded by its first text. */
  openEmbedder(name: string): Promise<Embedder>
}

/** Opens none yet. */
export function openServices(
  settings: Partial<ServiceSettings> & { readonly clock: Clock; readonly ids: Ids },
): Services & { close(): Promise<void> } {
  const {
    kafka = null,
    clickhouse = null,
    neo4j = null,
    pinecone = null,
    embedder = localSettings,
    chat = null,
    clock,
    ids,
  } = settings
  const clients: { close(): Promise<void> }[] = []
  const kafkaClient = once(clients, async () => {
    const { openKafkaClient } = await import('../connectors/kafka/client.ts')
    return openKafkaClient(kafka!)
  })
  const clickhouseClient = once(clients, async () => {
    const { openClickhouse } = await import('../connectors/clickhouse/client.ts')
    return checked(openClickhouse(clickhouse!))
  })
  const pineconeIndex = once(clients, async () => {
    const { openPinecone } = await import('../connectors/pinecone/client.ts')
    return checked(openPinecone({ settings: pinecone!, clock, ids }))
  })
  const embedders = new Map<string, Promise<Embedder>>()
  const neo4jClient = once(clients, async () => {
    const { openNeo4j } = await import('../connectors/neo4j/client.ts')
    return checked(openNeo4j(neo4j!))
  })
  return {
    kafka,
    clickhouse,
    neo4j,
    pinecone,
    embedder,
    chat,
    kafkaClient,
    clickhouseClient,
    neo4jClient,
    pineconeIndex,
    openEmbedder(name) {
      const known = embedders.get(name)
      if (known !== undefined) return known
      const opened = openEmbedder(name, embedder, { clock, ids })
      embedders.set(name, opened)
      opened.catch(() => embedders.delete(name)) // the next who asks tries again
      return opened
    },
    async close() {
      await Promise.all(clients.map((client) => closeSoon(client, clock)))
    },
  }
}

/** One client for all callers; one that could not be opened is tried again by the next. */
function once<T extends { close(): Promise<void> }>(
  opened: { close(): Promise<void> }[],
  open: () => Promise<T>,
): () => Promise<T> {
  let client: Promise<T> | null = null
  return () => {
    client ??= open().then(
      (made) => {
        opened.push(made)
        return made
      },
      (error: unknown) => {
        client = null
        throw error
      },
    )
    return client
  }
}

/** Longest that a client may take to say goodbye. */
const closeMs = 5_000

/** Nothing depends on it, and a service may hang: what does not close in time is left to the end of the process. */
async function closeSoon(client: { close(): Promise<void> }, clock: Clock): Promise<void> {
  const closed = new AbortController()
  const closing = client.close().finally(() => closed.abort())
  await Promise.race([closing, clock.sleep(closeMs, closed.signal)])
}

async function checked<T extends { check(): Promise<void>; close(): Promise<void> }>(client: T): Promise<T> {
  try {
    await client.check()
    return client
  } catch (error) {
    void client.close().catch(() => {}) // it may take as long as the service hangs
    throw error
  }
}
