/** A service between a store and the real one, for answers that the real one does not give when asked to. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/** A request as it came, whole. */
export interface Seen {
  readonly method: string
  /** Path and query. */
  readonly url: string
}

/**
 * What becomes of a request: passed on; the connection cut before or after it was carried out; carried out and never
 * answered; half of the answer's body and then the end; or an answer of our own, empty without a code.
 */
export type Fate =
  | 'pass'
  | 'cut-before'
  | 'cut-after'
  | 'hang-after'
  | 'half'
  | { readonly status: number; readonly code: string }

/** A running proxy. */
export interface FaultProxy {
  readonly endpoint: string
  readonly seen: readonly Seen[]
  /** Decides about each request from now on. */
  rule(decide: (seen: Seen) => Fate): void
  close(): Promise<void>
}

/** Starts a proxy to an endpoint, which is told the host that the client signed; over TLS with a certificate. */
export async function startProxy(
  target: string,
  tls?: { readonly cert: string; readonly key: string },
): Promise<FaultProxy> {
  const seen: Seen[] = []
  let decide: (seen: Seen) => Fate = () => 'pass'
  const handle = (incoming: IncomingMessage, answer: ServerResponse): void => {
    void readAll(incoming).then(async (body) => {
      const each = { method: incoming.method ?? '', url: incoming.url ?? '' }
      seen.push(each)
      await meet(decide(each), { target, incoming, body, answer })
    })
  }
  const server: Server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    rule(decision) {
      decide = decision
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The first `times` requests that match meet a fate; all others pass. */
export function first(times: number, matches: (seen: Seen) => boolean, fate: Fate): (seen: Seen) => Fate {
  let left = times
  return (seen) => {
    if (left === 0 || !matches(seen)) return 'pass'
    left -= 1
    return fate
  }
}

interface Exchange {
  readonly target: string
  readonly incoming: IncomingMessage
  readonly body: Buffer
  readonly answer: ServerResponse
}

async function meet(fate: Fate, exchange: Exchange): Promise<void> {
  const { answer, incoming } = exchange
  if (typeof fate === 'object') {
    answer.writeHead(fate.status, { 'content-type': 'application/xml' })
    const silent = incoming.method === 'HEAD' || fate.code === ''
    answer.end(silent ? '' : `<Error><Code>${fate.code}</Code><Message>as asked</Message></Error>`)
    return
  }
  if (fate === 'cut-before') return void incoming.socket.destroy()
  const { response, body } = await passOn(exchange)
  if (fate === 'cut-after') return void incoming.socket.destroy()
  if (fate === 'hang-after') return
  answer.writeHead(response.statusCode ?? 500, response.headers)
  if (fate === 'pass') answer.end(body)
  else answer.write(body.subarray(0, body.length / 2), () => incoming.socket.destroy())
}

function passOn({ target, incoming, body }: Exchange): Promise<{ response: IncomingMessage; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const { method, url, headers } = incoming
    const onward = request(new URL(url ?? '/', target), { method: method ?? 'GET', headers }, (response) => {
      void readAll(response).then((read) => resolve({ response, body: read }), reject)
    })
    onward.on('error', reject)
    onward.end(body)
  })
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
