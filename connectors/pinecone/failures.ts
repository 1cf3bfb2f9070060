/** What Pinecone or the way to it said, as an error of ours. The key is in none of them. */
import { MillraceError, messageOf } from '../../engine/errors.ts'
import type { PineconeSettings } from './settings.ts'

/** Names of the client's errors for input that is refused for what is in it. */
const contentErrors: ReadonlySet<string> = new Set(['PineconeBadRequestError', 'PineconeArgumentError'])

/** Whether Pinecone would say the same again to the same request. */
export function isRefusedContent(error: unknown): error is Error {
  return error instanceof Error && contentErrors.has(error.name)
}

/** Whether there is no such index. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && error.name === 'PineconeNotFoundError'
}

/** Whether somebody else was quicker to make it. */
export function isConflict(error: unknown): boolean {
  return error instanceof Error && error.name === 'PineconeConflictError'
}

/** Anything that the client threw while `what` was tried. */
export function pineconeFailure(what: string, error: unknown, settings: PineconeSettings): MillraceError {
  if (error instanceof MillraceError) return error
  const said = messageOf(error).split('\n')[0]!.slice(0, 500).replaceAll(settings.apiKey, '***')
  const name = error instanceof Error ? error.name : ''
  const where = `pinecone index ${settings.index}`
  if (name === 'PineconeAuthorizationError')
    return new MillraceError('PINECONE_REFUSED', `${where}: ${what}: the key is refused (check PINECONE_API_KEY)`)
  if (name === 'PineconePaymentRequiredError')
    return new MillraceError('PINECONE_REFUSED', `${where}: ${what}: ${said}`)
  if (isRefusedContent(error)) return new MillraceError('SINK_FAILED', `${where}: ${what}: ${said}`)
  if (isMissing(error))
    return new MillraceError('TABLE_NOT_FOUND', `${where} does not exist (run a pipeline that fills it first)`)
  return new MillraceError(
    'PINECONE_UNREACHABLE',
    `${where}: ${what}: ${said} (is the service up, and PINECONE_CONTROLLER_HOST its address, if given?)`,
    {
      retryable: true,
    },
  )
}
