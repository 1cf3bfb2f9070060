/** Statements to one database of one Neo4j service, and transactions of them. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import neo4j, { type Config, type Session, type Transaction } from 'neo4j-driver'
import { codeOf, neo4jFailure, silence } from './failures.ts'
import type { Neo4jSettings } from './settings.ts'

/** A value of a statement: whole numbers of 64 bits are bigint, a plain number is a double. */
export type Value = null | string | boolean | number | bigint | readonly Value[]

/** Values of a statement, by name without `$`. */
export type Parameters = Readonly<Record<string, Value>>

/** One row of a result, by column: values as the driver gives them, whole numbers as bigint. */
export type ResultRow = Readonly<Record<string, unknown>>

/** Runs one statement to its end. */
export type RunStatement = (cypher: string, parameters?: Parameters) => Promise<ResultRow[]>

/** Runs one statement that only reads. A signal that aborts cancels it in the service, and rejects with its reason. */
export type ReadStatement = (cypher: string, parameters?: Parameters, signal?: AbortSignal) => Promise<ResultRow[]>

/**
 * One database. Everything throws a {@link MillraceError}: `NEO4J_UNREACHABLE`, `NEO4J_REFUSED`, `SINK_FAILED` with the service's own code in
 * its context. A service that hangs is given up after a while; one that is busy is waited for.
 */
export interface Neo4j {
  readonly settings: Neo4jSettings
  /** Refused here, by name, what cannot go well later: address, user, password, database. */
  check(): Promise<void>
  /** A statement on its own, which may change something. */
  readonly run: RunStatement
  /** The same, refused by the service if it would. */
  readonly read: ReadStatement
  begin(): Promise<Neo4jTransaction>
  close(): Promise<void>
}

/** The statements of one transaction, in turn. To be ended by `commit` or `rollback`. */
export interface Neo4jTransaction {
  readonly run: RunStatement
  /** What it throws as retryable may have been committed all the same. */
  commit(): Promise<void>
  /** Never throws: what was not committed is undone by the service in any case. Harmless afterwards. */
  rollback(): Promise<void>
}

/** Sockets that a client has opened, while its driver works. A socket to a service that hangs must be cut, which the driver does not do. */
const opening = new AsyncLocalStorage<Set<Socket>>()
subscribe('net.client.socket', (message) => {
  const { socket } = message as { readonly socket: Socket }
  const sockets = opening.getStore()
  if (sockets === undefined) return
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})

/** Opens nothing yet. */
export function openNeo4j(settings: Neo4jSettings): Neo4j {
  const driver = neo4j.driver(
    addressOf(settings),
    neo4j.auth.basic(settings.user, settings.password),
    configOf(settings),
  )
  const bookmarkManager = neo4j.bookmarkManager() // of a cluster's members none answers that has not seen what we wrote
  const sockets = new Set<Socket>()
  const session = (access: 'READ' | 'WRITE'): Session =>
    driver.session({
      defaultAccessMode: access,
      bookmarkManager,
      ...(settings.database === null ? {} : { database: settings.database }),
    })

  async function asked<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await opening.run(sockets, () => whileAlive(work()))
    } catch (error) {
      throw neo4jFailure(what, error, settings)
    }
  }

  /** The result of `work`, if the service answers a question now and then until it is there. */
  async function whileAlive<T>(work: Promise<T>): Promise<T> {
    for (;;) {
      const done = await within(work, settings.timeoutMs)
      if (done !== null) return done.value
      const asked = session('READ')
      const answer = within(asked.run('RETURN 1'), settings.timeoutMs)
      const alive = await answer.catch((error: unknown) => codeOf(error)) // a refusal is an answer too
      void asked.close().catch(() => {}) // waits for a service that hangs
      if (alive !== null) continue
      work.catch(() => {}) // ends by what follows
      for (const socket of sockets) socket.destroy()
      throw silence(settings)
    }
  }

  const alone =
    (access: 'READ' | 'WRITE'): ReadStatement =>
    async (cypher, parameters = {}, signal) => {
      signal?.throwIfAborted()
      const answer = asked(access === 'READ' ? 'query' : 'statement', async () => {
        const own = session(access)
        const cancel = () => void own.close().catch(() => {}) // resets the connection, which ends what runs on it
        signal?.addEventListener('abort', cancel, { once: true })
        try {
          const result = await own.run(cypher, { ...parameters })
          return result.records.map((record) => record.toObject())
        } finally {
          signal?.removeEventListener('abort', cancel)
          await own.close()
        }
      })
      return answer.catch((error: unknown) => {
        signal?.throwIfAborted()
        throw error
      })
    }
  const [run, read] = [alone('WRITE'), alone('READ')]
  return {
    settings,
    run,
    read,
    check: async () => void (await read('RETURN 1 AS one')),
    async begin() {
      const own = session('WRITE')
      try {
        return transactionOf(own, await asked('transaction', () => own.beginTransaction()), asked)
      } catch (error) {
        void own.close().catch(() => {})
        throw error
      }
    },
    async close() {
      await within(driver.close(), settings.timeoutMs).catch(() => {}) // what is cut off now needs no farewell
      for (const socket of sockets) socket.destroy()
    },
  }
}

function transactionOf(
  session: Session,
  transaction: Transaction,
  asked: <T>(what: string, work: () => Promise<T>) => Promise<T>,
): Neo4jTransaction {
  const end = async (how: () => Promise<void>) => {
    try {
      if (transaction.isOpen()) await how()
    } finally {
      await session.close()
    }
  }
  return {
    run: (cypher, parameters = {}) =>
      asked('statement', async () => {
        const result = await transaction.run(cypher, { ...parameters })
        return result.records.map((record) => record.toObject())
      }),
    commit: () => asked('commit', () => end(() => transaction.commit())),
    rollback: () => asked('rollback', () => end(() => transaction.rollback())).catch(() => {}),
  }
}

/** The value of a promise; null if it is not there in time. */
async function within<T>(work: Promise<T>, timeoutMs: number): Promise<{ readonly value: T } | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), timeoutMs)
  })
  try {
    return await Promise.race([work.then((value) => ({ value })), late])
  } finally {
    clearTimeout(timer)
  }
}

/** The driver takes an authority only where the address says nothing of TLS. */
function addressOf({ uri, caFile }: Neo4jSettings): string {
  return caFile === null ? uri : uri.replace('+s://', '://')
}

function configOf({ caFile, timeoutMs }: Neo4jSettings): Config {
  return {
    useBigInt: true,
    userAgent: 'millrace',
    telemetryDisabled: true,
    fetchSize: 10_000,
    connectionTimeout: timeoutMs,
    connectionAcquisitionTimeout: 2 * timeoutMs, // a service that hangs is found out before
    notificationFilter: { minimumSeverityLevel: 'OFF' },
    ...(caFile === null
      ? {}
      : {
          encrypted: 'ENCRYPTION_ON' as const,
          trust: 'TRUST_CUSTOM_CA_SIGNED_CERTIFICATES' as const,
          trustedCertificates: [caFile],
        }),
  }
}
