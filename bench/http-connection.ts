/** A connection of HTTP/1.1 that stays open: a client over a plain socket, which takes little of the machine that it measures. */
import { once } from 'node:events'
import { connect } from 'node:net'

/** What came to a request. */
export interface HttpAnswer {
  readonly status: number
  readonly body: Buffer
  /** From the sent request to the last byte. */
  readonly ms: number
}

/** One request after the other. */
export interface HttpConnection {
  /** Rejects where the connection breaks, or the answer does not say how long it is. Calls must not overlap. */
  get(path: string): Promise<HttpAnswer>
  close(): void
}

const endOfHead = '\r\n\r\n'

/** Connects to the host of a URL. */
export async function openHttpConnection(url: string): Promise<HttpConnection> {
  const { hostname, port, host } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  let waiting: PromiseWithResolvers<Omit<HttpAnswer, 'ms'>> | null = null
  let received: Buffer = Buffer.alloc(0)

  socket.on('data', (part: Buffer) => {
    received = received.length === 0 ? part : Buffer.concat([received, part])
    const end = received.indexOf(endOfHead)
    if (end < 0) return
    const head = received.toString('latin1', 0, end)
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
    if (length === undefined) {
      socket.destroy(new Error(`an answer without a length: ${head}`))
      return
    }
    const body = received.subarray(end + endOfHead.length)
    if (body.length < Number(length)) return
    received = Buffer.alloc(0)
    waiting?.resolve({ status: Number(head.slice(9, 12)), body })
  })
  socket.on('error', (error) => waiting?.reject(error))
  socket.on('close', () => waiting?.reject(new Error('the connection was closed')))
  return {
    async get(path) {
      const from = performance.now()
      waiting = Promise.withResolvers()
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1')
      return { ...(await waiting.promise), ms: performance.now() - from }
    },
    close: () => socket.destroy(),
  }
}
