/** The HTTP API: routes whose schemas check what comes in and describe the API, over one open data directory. */
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import { toJson } from '../output.ts'
import type { Place } from '../place.ts'
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
}

const largestBody = 64 * 1024
const requestTimeoutMs = 60_000

/** An API over a place, listening to nothing yet: `listen` begins, `close` ends it. The place stays the caller's. */
export async function apiServer(place: Place, { host }: ServeOptions): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: largestBody,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: 'idle',
    ajv: { customOptions: { allErrors: true, coerceTypes: true, removeAdditional: false, useDefaults: true } },
  })
  app.setSerializerCompiler(() => toJson)
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: {
        code: 'NOT_FOUND',
        message: `${request.method} ${request.url}: no such route (GET /openapi.json lists them)`,
      },
    }),
  )
  if (isLoopback(host)) app.addHook('onRequest', refuseForeignHosts)
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
  for (const routes of [searchRoutes, graphRoutes, olapRoutes]) await app.register(routes(place))
  return app
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/** A page elsewhere may have its name resolve to this machine, and would read our answers through the visitor's browser. */
async function refuseForeignHosts(
  request: { readonly hostname: string },
  reply: { code(status: number): { send(body: unknown): unknown } },
): Promise<void> {
  if (isLoopback(request.hostname.replaceAll(/^\[|\]$/g, ''))) return
  reply.code(403).send({
    error: {
      code: 'FORBIDDEN',
      message: `host ${request.hostname} is not served (use 127.0.0.1 or localhost, or serve on another --host)`,
    },
  })
}
