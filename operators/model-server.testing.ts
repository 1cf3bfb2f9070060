/** For tests: an HTTP server that speaks OpenAI's protocol, and fails when it is told to. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** A request, as it came. */
export interface ModelRequest {
  readonly path: string
  readonly authorization: string | undefined
  readonly body: {
    readonly model?: string
    readonly input?: readonly string[]
    readonly dimensions?: number
    readonly messages?: readonly { readonly role: string; readonly content: string }[]
  }
}

/** What is answered in place of what was asked for; `hang`: nothing, ever; `cut`: the connection ends. */
export type ModelFault =
  | 'hang'
  | 'cut'
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }

export interface ModelServer {
  readonly url: string
  /** Every request that came, in order. */
  readonly requests: ModelRequest[]
  /** Texts that became vectors, in order. */
  readonly embedded: string[]
  /** Asked for each request, with its number, the first being 1; null: it is answered. */
  fault: (request: ModelRequest, number: number) => ModelFault | null
  /** The order in which vectors are listed in an answer; `index` tells whose they are. */
  order: (places: number[]) => number[]
  /** What a chat answers. */
  reply: (request: ModelRequest) => string
  dimension: number
  close(): Promise<void>
}

/** Answers on a port of its own. */
export async function modelServer(): Promise<ModelServer> {
  const server = createServer((incoming, answer) => void respond(incoming, answer, model))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const model: ModelServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests: [],
    embedded: [],
    fault: () => null,
    order: (places) => places,
    reply: () => 'nothing',
    dimension: 4,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return model
}

/** What the server makes of a text: its length and its first letters, so that every text has a vector of its own. */
export function vectorOf(text: string, dimension: number): number[] {
  return Array.from({ length: dimension }, (_, i) => (i === 0 ? text.length : (text.charCodeAt(i - 1) || 0) / 128))
}

async function respond(incoming: IncomingMessage, answer: ServerResponse, model: ModelServer): Promise<void> {
  const body = (await json(incoming)) as ModelRequest['body']
  const request = { path: incoming.url ?? '', authorization: incoming.headers.authorization, body }
  model.requests.push(request)
  const fault = model.fault(request, model.requests.length)
  if (fault === 'hang') return
  if (fault === 'cut') return void incoming.socket.destroy()
  if (fault !== null)
    return void answer
      .writeHead(fault.status, fault.headers)
      .end(JSON.stringify(fault.body ?? { error: 'out of order' }))
  answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answerTo(request, model)))
}

function answerTo(request: ModelRequest, model: ModelServer): unknown {
  if (request.path.endsWith('/chat/completions'))
    return { choices: [{ message: { role: 'assistant', content: model.reply(request) } }] }
  const { input = [] } = request.body
  model.embedded.push(...input)
  const places = model.order([...input.keys()])
  return { data: places.map((index) => ({ index, embedding: vectorOf(input[index]!, model.dimension) })) }
}
