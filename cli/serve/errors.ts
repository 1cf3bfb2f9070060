/** What goes wrong, as the API tells it: `{ error: { code, message, problems? } }`, never a stack. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, MillraceError } from '../../engine/errors.ts'

const statuses: Partial<Record<ErrorCode, number>> = {
  CONFIG_INVALID: 400,
  TABLE_NOT_FOUND: 404,
  STORE_BUSY: 503,
}

/** Input that breaks its schema is 400 with a line for each problem; what nobody expected is 500, and told on standard error. */
export function answerError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  if ('validation' in error && error.validation !== undefined) {
    const where = error.validationContext ?? 'request'
    const problems = error.validation.map(
      ({ instancePath, message, params }) =>
        `${where}${instancePath.replaceAll('/', '.')}: ${message ?? 'is wrong'}${'additionalProperty' in params ? ` (${String(params.additionalProperty)})` : ''}`,
    )
    void reply.code(400).send({ error: { code: 'CONFIG_INVALID', message: problems.join('; '), problems } })
    return
  }
  if (error instanceof MillraceError) {
    const { code, message, problems, retryable } = error
    const status = statuses[code] ?? (retryable ? 503 : 500)
    if (status === 503) reply.header('retry-after', '1')
    const body = { code, message, ...(problems.length === 0 ? {} : { problems }) }
    void reply.code(status).send({ error: body })
    return
  }
  const status = 'statusCode' in error ? (error.statusCode ?? 500) : 500
  if (status < 500) {
    void reply.code(status).send({ error: { code: 'CONFIG_INVALID', message: error.message } })
    return
  }
  console.error(`millrace: ${request.method} ${request.url}: internal error:`, error)
  void reply.code(500).send({ error: { code: 'INTERNAL', message: 'internal error (the log of the service has it)' } })
}
