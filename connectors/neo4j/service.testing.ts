/** For tests with a real service: its one database to oneself, and a way to it that fails when it is told to. */

import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createServer as createSecureServer } from 'node:tls'
import { name } from '../graph/cypher.ts'
import { ownConstraints } from './catalog.ts'
import { type Neo4j, openNeo4j } from './client.ts'
import { defaultTimeoutMs, type Neo4jSettings } from './settings.ts'

/** Address and user of the service; the address is empty where tests have none. */
export const service: Neo4jSettings = {
  uri: process.env.MILLRACE_TEST_NEO4J_URI ?? '',
  user: process.env.MILLRACE_TEST_NEO4J_USER ?? 'neo4j',
  password: process.env.MILLRACE_TEST_NEO4J_PASSWORD ?? '',
  database: null,
  caFile: null,
  timeoutMs: defaultTimeoutMs,
}

/** How long to wait for the database in a hook: one file of tests has it after another. */
export const turnMs = 300_000

/** The service's database for oneself. */
export interface OwnDatabase {
  readonly neo4j: Neo4j
  /** Takes all nodes away. */
  empty(): Promise<void>
  /** Leaves the database empty and lets the next have it. */
  close(): Promise<void>
}

/**
 * Waits until nobody else tests on it: the community edition has one database only. One that holds anything which tests have not left there is
 * not touched.
 */
export async function ownDatabase(): Promise<OwnDatabase> {
  const neo4j = openNeo4j(service)
  await neo4j.run(
    'CREATE CONSTRAINT millrace_MillraceTest_id IF NOT EXISTS FOR (n:MillraceTest) REQUIRE n.id IS UNIQUE',
  )
  const turn = await neo4j.begin()
  await turn.run(`MERGE (t:MillraceTest {id: 'turn'}) SET t.process = $process`, { process: String(process.pid) })
  const [held] = await neo4j.read(
    `OPTIONAL MATCH (t:MillraceTest {id: 'ours'}) WITH count(t) AS ours OPTIONAL MATCH (n) WHERE NOT n:MillraceTest RETURN ours, count(n) AS others`,
  )
  if (held?.ours === 0n && held.others !== 0n) {
    await turn.rollback()
    await neo4j.close()
    throw new Error(`the database at ${service.uri} is not empty: tests need one of their own`)
  }
  await neo4j.run(`MERGE (:MillraceTest {id: 'ours'})`)
  const empty = async () => void (await neo4j.run('MATCH (n) WHERE NOT n:MillraceTest DETACH DELETE n'))
  await empty()
  return {
    neo4j,
    empty,
    async close() {
      await empty()
      for (const constraint of await ownConstraints(neo4j.read))
        if (constraint !== 'millrace_MillraceTest_id') await neo4j.run(`DROP CONSTRAINT ${name(constraint)} IF EXISTS`)
      await neo4j.run(`MATCH (t:MillraceTest {id: 'ours'}) DELETE t`)
      await turn.rollback()
      await neo4j.close()
    },
  }
}

/** A way to the service. */
export interface Way {
  readonly uri: string
  /** Connections so far. */
  opened(): number
  /** Nothing passes any more, in either direction, over any connection: a service that hangs. */
  hang(): void
  /** What was held back passes, and so does what comes. */
  goOn(): void
  /** Ends all connections, as a service does that is killed. */
  cut(): void
  close(): Promise<void>
}

/**
 * Opens a proxy in front of the service; at first nothing goes wrong.
 * @param tls its certificate and key as PEM text, where it is to be spoken to in TLS
 */
export async function openWay(tls?: { readonly cert: string; readonly key: string }): Promise<Way> {
  const target = new URL(service.uri)
  const sockets = new Set<Socket>()
  let hangs = false
  let opened = 0
  const pass = (near: Socket): void => {
    opened += 1
    const far = connect(Number(target.port || 7687), target.hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (part: Buffer) => to.write(part))
      from.on('error', () => {}) // both ends are told by `close`
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      if (hangs) from.pause()
    }
  }
  const server: Server = tls === undefined ? createServer(pass) : createSecureServer(tls, pass)
  server.on('tlsClientError', () => {}) // the client is told by its own error
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    uri: `${tls === undefined ? 'bolt' : 'bolt+s'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    opened: () => opened,
    hang() {
      hangs = true
      for (const socket of sockets) socket.pause()
    },
    goOn() {
      hangs = false
      for (const socket of sockets) socket.resume()
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
