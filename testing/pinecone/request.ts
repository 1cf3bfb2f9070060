/** Requests as they are asked, and answers as they are sent. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Body } from './index-model.ts'

/** One request. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: Body
  /** Of the API. */
  readonly version: string
}

/** What is sent for it. */
export interface Answer {
  readonly status: number
  /** Text as it is; all else as JSON. */
  readonly body: unknown
}

/** Thrown for a request that cannot be read: `code` is that of the data plane. */
export class Unreadable extends Error {
  readonly code: number

  constructor(message: string, code: number) {
    super(message)
    this.code = code
  }
}

/** The most that a request may carry. */
const largestBody = 2 * 2 ** 20

/** The body of a request, all of it. */
export async function receive(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/** Throws {@link Unreadable}. */
export function parsedBody(bytes: Buffer): Body {
  if (bytes.length > largestBody)
    throw new Unreadable(
      `Error, message length too large: found ${bytes.length} bytes, the limit is: ${largestBody} bytes`,
      11,
    )
  if (bytes.length === 0) return {}
  try {
    const body: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body
  } catch {
    // said below
  }
  throw new Unreadable('request is not a JSON object', 3)
}

/** Sends an answer. */
export function send(answer: ServerResponse, { status, body }: Answer): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  answer.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' }).end(text)
}
