/** What Pinecone or the way to it said, as an error of ours. The key is in none of them. */
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { redacted } from '../../engine/redact.ts'
import type { PineconeSettings } from './settings.ts'

/** Names of the client's errors for input that is refused for what is in it. */
const contentErrors: ReadonlySet<string> = new Set([
  'PineconeBadRequestError',
  'PineconeArgumentError',
  'PineconeUnprocessableEntityError',
])

/** Whether Pinecone would say the same again to the same request. */
export function isRefusedContent(error: unknown): error is Error {
  return error instanceof Error && contentErrors.has(error.name)
}

/** Whether there is no such index, or no such namespace in it. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && error.name === 'PineconeNotFoundError'
}

/** Whether somebody else was quicker to make it. */
export function isConflict(error: unknown): boolean {
  return error instanceof Error && error.name === 'PineconeConflictError'
}

/** What the key does not let us do: no fault of the rows that were sent. */
export function forbidden(body: string, settings: PineconeSettings): MillraceError {
  return new MillraceError(
    'PINECONE_REFUSED',
    `pinecone index ${settings.index}: not allowed: ${shown(body, settings)} (check the rights of PINECONE_API_KEY)`,
  )
}

/** An index that was made, and does not become what can be written. */
export function notReady(state: string, settings: PineconeSettings): MillraceError {
  return new MillraceError(
    'PINECONE_UNREACHABLE',
    `pinecone index ${settings.index} was made and is not ready: ${state} (look at it in Pinecone's console)`,
    { retryable: true },
  )
}

/** Anything that the client threw while `what` was tried. */
export function pineconeFailure(what: string, error: unknown, settings: PineconeSettings): MillraceError {
  const root = rootOf(error)
  if (root instanceof MillraceError) return root
  const said = shown(messageOf(error), settings)
  const name = error instanceof Error ? error.name : ''
  const where = `pinecone index ${settings.index}`
  if (name === 'PineconeAuthorizationError')
    return new MillraceError('PINECONE_REFUSED', `${where}: ${what}: the key is refused (check PINECONE_API_KEY)`)
  if (name === 'PineconePaymentRequiredError')
    return new MillraceError('PINECONE_REFUSED', `${where}: ${what}: ${said}`)
  if (isRefusedContent(error)) return new MillraceError('SINK_FAILED', `${where}: ${what}: ${said}`)
  if (isMissing(error))
    return new MillraceError('TABLE_NOT_FOUND', `${where} does not exist (run a pipeline that fills it first)`)
  const cause = root === error ? said : shown(messageOf(root), settings)
  return new MillraceError(
    'PINECONE_UNREACHABLE',
    `${where}: ${what}: ${cause} (is the service up, and PINECONE_CONTROLLER_HOST its address, if given?)`,
    { retryable: true },
  )
}

/** The client wraps what was thrown while a request was made. */
function rootOf(error: unknown): unknown {
  let root = error
  while (root instanceof Error && !(root instanceof MillraceError) && root.cause instanceof Error) root = root.cause
  return root
}

function shown(text: string, { apiKey }: PineconeSettings): string {
  return redacted(text.split('\n')[0]!, [apiKey]).slice(0, 500)
}
