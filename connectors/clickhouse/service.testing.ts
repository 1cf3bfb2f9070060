/** For tests with a real service: databases of their own, and a way to it that fails when it is told to. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { systemIds } from '../../engine/clock.ts'
import { type Clickhouse, openClickhouse, quoted } from './client.ts'
import { type ClickhouseSettings, defaultRequestTimeoutMs } from './settings.ts'

/** Address and user of the service; the address is empty where tests have none. */
export const service: ClickhouseSettings = {
  url: process.env.MILLRACE_TEST_CLICKHOUSE_URL ?? '',
  user: process.env.MILLRACE_TEST_CLICKHOUSE_USER ?? 'default',
  password: process.env.MILLRACE_TEST_CLICKHOUSE_PASSWORD ?? '',
  database: 'default',
  ca: null,
  requestTimeoutMs: defaultRequestTimeoutMs,
}

/** A database that is dropped with `close`. */
export async function freshDatabase(): Promise<Clickhouse> {
  const database = `millrace_test_${systemIds.uuid().replaceAll('-', '')}`
  const server = openClickhouse(service)
  await server.run(`CREATE DATABASE ${quoted(database)}`)
  const opened = openClickhouse({ ...service, database })
  return {
    ...opened,
    async close() {
      await opened.close()
      await server.run(`DROP DATABASE ${quoted(database)}`)
      await server.close()
    },
  }
}

/** What becomes of a request: `lost-answer` reaches the service, `cut` and `silence` do not, a number is answered in its place. */
export type Mishap = 'lost-answer' | 'cut' | 'silence' | number | null

/** A way to the service. */
export interface Way {
  readonly url: string
  /** Asked for every request, with its statement and settings. */
  mishap: (query: string) => Mishap
  close(): Promise<void>
}

/**
 * Opens a proxy in front of the service; at first nothing goes wrong.
 * @param tls its certificate and key as PEM text, where it is to be spoken to in TLS
 */
export async function openWay(tls?: { readonly cert: string; readonly key: string }): Promise<Way> {
  const way = { mishap: (_: string): Mishap => null }
  const answering = (incoming: IncomingMessage, answer: ServerResponse) => forward(incoming, answer, way)
  const server = tls === undefined ? createServer(answering) : createSecureServer(tls, answering)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(way, {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

function forward(incoming: IncomingMessage, answer: ServerResponse, way: Pick<Way, 'mishap'>): void {
  const body: Buffer[] = []
  incoming.on('error', () => {}) // the client is told by its own error
  incoming.on('data', (part: Buffer) => body.push(part))
  incoming.on('end', () => {
    const all = Buffer.concat(body)
    const mishap = way.mishap(
      `${decodeURIComponent((incoming.url ?? '').replaceAll('+', ' '))} ${all.toString('latin1', 0, 200)}`,
    )
    if (mishap === 'silence') return
    if (mishap === 'cut') return void incoming.socket.destroy()
    if (typeof mishap === 'number') return void answer.writeHead(mishap).end('out of order')
    const { method, headers, url } = incoming
    const onward = request(new URL(url ?? '/', service.url), { method: method ?? 'POST', headers }, (reply) => {
      if (mishap === 'lost-answer') return void reply.resume().on('end', () => incoming.socket.destroy())
      answer.writeHead(reply.statusCode ?? 500, reply.headers)
      reply.pipe(answer)
    })
    onward.on('error', () => incoming.socket.destroy())
    onward.end(all)
  })
}
