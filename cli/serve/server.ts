/** The HTTP API: routes whose schemas check what comes in and describe the API, over one open data directory. */
import type { Socket } from 'node:net'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import type { MillraceError } from '../../engine/errors.ts'
import { usageError } from '../args.ts'
import { toJson } from '../output.ts'
import type { Place } from '../place.ts'
import { guard, isLoopback } from './access.ts'
import { type AdmissionLimits, admission } from './admission.ts'
import { answerError } from './errors.ts'
import { graphRoutes } from './graph-routes.ts'
import { olapRoutes } from './olap-routes.ts'
import { answer } from './schemas.ts'
import { searchRoutes } from './search-routes.ts'

/** Where the API is served. */
export interface ServeOptions {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** A secret that every request must present; null: none. Without one only this machine is served. */
  readonly token?: string | null
  /** After which a request is given up and its query cancelled. Default 30,000. */
  readonly timeoutMs?: number
  readonly limits?: AdmissionLimits
}

const largestBody = 64 * 1024
/** Within which a client must have sent its request. */
const receiveTimeoutMs = 10_000
const defaultTimeoutMs = 30_000
/** Stores answer from a few threads: more at once would only share them. */
const defaultLimits: AdmissionLimits = { running: 16, waiting: 512 }

/**
 * An API over a place, listening to nothing yet: `listen` begins, `close` ends it, after the requests that run. The place stays the caller's.
 * @throws MillraceError `CONFIG_INVALID` for an address that other machines reach, without a token
 */
export async function apiServer(place: Place, options: ServeOptions): Promise<FastifyInstance> {
  const { host, token = null, timeoutMs = defaultTimeoutMs, limits = defaultLimits } = options
  if (token === null && !isLoopback(host)) throw needsToken(host)
  const gate = admission(limits)
  const app = Fastify({
    bodyLimit: largestBody,
    requestTimeout: receiveTimeoutMs,
    connectionTimeout: 0,
    handlerTimeout: timeoutMs,
    forceCloseConnections: 'idle',
    frameworkErrors: answerError,
    clientErrorHandler: answerNonsense,
    ajv: { customOptions: { allErrors: true, coerceTypes: true, removeAdditional: false, useDefaults: true } },
  })
  app.setSerializerCompiler(() => toJson)
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: {
        code: 'NOT_FOUND',
        message: `${request.method} ${request.url.split('?')[0]}: no such route (GET /openapi.json lists them)`,
      },
    }),
  )
  app.addHook('onRequest', guard({ host, token }))
  app.addHook('preClose', async () => gate.stop())
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Millrace',
        description: 'Questions to the stores of the Entertainment Data Platform. It only reads.',
        version: '1',
      },
    },
  })
  app.get(
    '/health',
    { schema: { summary: 'Whether the service answers.', response: answer({ status: { const: 'ok' } }, 'it does') } },
    () => ({
      status: 'ok',
    }),
  )
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
  for (const routes of [searchRoutes, graphRoutes, olapRoutes]) await app.register(routes(place, gate))
  return app
}

function needsToken(host: string): MillraceError {
  return usageError([
    `--host ${host}: other machines would reach the stores: set MILLRACE_SERVE_TOKEN to a secret that they send as Authorization: Bearer <token> (or serve on 127.0.0.1)`,
  ])
}

/** What is no HTTP gets the same shape of error as everything else. */
function answerNonsense(_error: Error, socket: Socket): void {
  if (!socket.writable) return
  const body = toJson({ error: { code: 'BAD_REQUEST', message: 'this is not a request in HTTP/1.1' } })
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
