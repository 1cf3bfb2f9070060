/** What goes wrong, as the API tells it: `{ error: { code, message, problems? } }`, without a stack, a path, SQL or Cypher. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, MillraceError } from '../../engine/errors.ts'

const statuses: Partial<Record<ErrorCode, number>> = {
  CONFIG_INVALID: 400,
  TABLE_NOT_FOUND: 404,
  STORE_BUSY: 503,
}

/** What a response says of a failure whose own message is for the log alone. */
const failed = { code: 'INTERNAL', message: 'internal error (the log of the service has it)' }
const unavailable = { code: 'UNAVAILABLE', message: 'a store is not available at the moment (try again)' }
const late = { code: 'TIMEOUT', message: 'the time limit for requests has passed (ask for less, or raise --timeout)' }

/** The body of every error. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly problems?: readonly string[] }
}

interface Response {
  readonly status: number
  readonly error: ErrorBody['error']
  /** Whether the log should have what the response leaves out. */
  readonly log: boolean
}

/** The error handler of the server; also of requests that never reach a route. */
export function answerError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  const { status, error: body, log } = responseTo(error)
  if (log) console.error(`millrace: ${request.method} ${request.routeOptions?.url ?? ''}: ${status}:`, describe(error))
  if (status === 503) void reply.header('retry-after', '1')
  void reply.code(status).send({ error: body } satisfies ErrorBody)
}

function responseTo(error: FastifyError | Error): Response {
  if ('validation' in error && error.validation !== undefined) return invalid(error)
  if (error instanceof MillraceError) return responseToOurs(error)
  const code = 'code' in error ? String(error.code) : ''
  if (error.name === 'AbortError') return { status: 503, error: unavailable, log: false } // nobody reads it: the caller has left
  if (code === 'FST_ERR_HANDLER_TIMEOUT') return { status: 503, error: late, log: false }
  const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500
  if (status < 500) return { status, error: { code: 'BAD_REQUEST', message: withoutPaths(error.message) }, log: false }
  return { status: 500, error: failed, log: true }
}

/** A line for each problem, with the name of the parameter. */
function invalid({ validation = [], validationContext }: FastifyError): Response {
  const where = validationContext ?? 'request'
  const problems = validation.map(
    ({ instancePath, message, params }) =>
      `${where}${instancePath.replaceAll('/', '.')}: ${message ?? 'is wrong'}${'additionalProperty' in params ? ` (${String(params.additionalProperty)})` : ''}`,
  )
  return { status: 400, error: { code: 'CONFIG_INVALID', message: problems.join('; '), problems }, log: false }
}

function responseToOurs(error: MillraceError): Response {
  const { code, message, problems, retryable } = error
  const status = statuses[code] ?? (retryable ? 503 : 500)
  if (status === 500) return { status, error: failed, log: true }
  if (status === 503) return { status, error: { ...unavailable, code }, log: code !== 'STORE_BUSY' }
  const shown = { code, message: withoutPaths(message) }
  return {
    status,
    error: problems.length === 0 ? shown : { ...shown, problems: problems.map(withoutPaths) },
    log: false,
  }
}

/** Paths and addresses of the service's own machine, down to their last part. */
function withoutPaths(text: string): string {
  return text
    .replace(/(?:[a-z0-9+]+:\/\/|[a-z]:\\|\\\\|\/)(?:[^\s/\\()'",;]+[/\\])+([^\s/\\()'",;]*)/gi, '$1')
    .replace(/[a-z0-9+]+:\/\/[^\s()'",;]+/gi, 'the service')
}

function describe(error: Error): unknown {
  return error instanceof MillraceError ? error.message : (error.stack ?? error)
}
