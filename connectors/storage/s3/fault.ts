/** What an answer of S3, or its absence, means: whether to try again, and what a user can do. Pure. */
import { messageOf } from '../../../engine/errors.ts'

/** A failed request, judged. */
export interface Fault {
  /** Whether the same request may succeed later. */
  readonly transient: boolean
  /** Whether the request may have been carried out all the same. */
  readonly ambiguous: boolean
  /** What happened, and in parentheses what to do. */
  readonly what: string
}

/** The object was replaced or deleted between two requests that meant the same one. */
export class ObjectChanged extends Error {}

/** An answer that ended early. */
export class ShortAnswer extends Error {}

const passing = new Set([
  'ConditionalRequestConflict',
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'ServiceUnavailable',
  'SlowDown',
  'TimeoutError',
])

const passingCodes = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ETIMEDOUT',
])

/** Refusals that no trying again helps against, by the name that S3 or the SDK gives them. */
const refusals: Readonly<Record<string, string>> = {
  AccessDenied: 'access denied (give these credentials the right to list, read, write and delete there)',
  AuthorizationHeaderMalformed: 'the bucket is in another region (set AWS_REGION to it)',
  CredentialsProviderError:
    'no credentials were found (set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)',
  ExpiredToken: 'the session token has expired (get new credentials)',
  InvalidAccessKeyId: 'the access key is not known (check AWS_ACCESS_KEY_ID)',
  InvalidToken: 'the session token is not valid (check AWS_SESSION_TOKEN)',
  NoSuchBucket: 'the bucket does not exist (create it, or correct MILLRACE_LAKE)',
  NotImplemented: 'the service lacks a feature (it must support conditional writes: If-None-Match)',
  PermanentRedirect: 'the bucket is in another region (set AWS_REGION to it)',
  SignatureDoesNotMatch: 'the secret key does not match (check AWS_SECRET_ACCESS_KEY)',
}

const unreachable: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the host name is not known (check AWS_ENDPOINT_URL_S3, or the region)',
  EPROTO: 'the endpoint does not speak TLS (check http or https in AWS_ENDPOINT_URL_S3)',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the endpoint does not speak TLS (check http or https in AWS_ENDPOINT_URL_S3)',
}

/** Judges what a request of the SDK threw. */
export function faultOf(error: unknown): Fault {
  const name = error instanceof Error ? error.name : ''
  const code = codeOf(error)
  const status = statusOf(error)
  // only an answer of the service tells that nothing was done; one of 200 and more may still hold an error
  const ambiguous = status === null || status < 400 || status >= 500
  const final = finalWords(error, name, code, status)
  if (final !== null) return { transient: false, ambiguous, what: final }
  const transient =
    error instanceof ShortAnswer ||
    passing.has(name) ||
    name.startsWith('Throttling') ||
    passingCodes.has(code) ||
    status === 429 ||
    (status !== null && status >= 500)
  return { transient, ambiguous, what: transient ? passingWords(name, code, error) : oneLine(error) }
}

/** Status of the answer; null if there was none. */
export function statusOf(error: unknown): number | null {
  const metadata = (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata
  return metadata?.httpStatusCode ?? null
}

/** Whether S3 says that there is no such object. */
export function isMissing(error: unknown): boolean {
  const name = error instanceof Error ? error.name : ''
  return name === 'NoSuchKey' || name === 'NotFound' || (statusOf(error) === 404 && refusals[name] === undefined)
}

function finalWords(error: unknown, name: string, code: string, status: number | null): string | null {
  const refusal = refusals[name] ?? unreachable[code]
  if (refusal !== undefined) return refusal
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code))
    return `the certificate is not trusted: ${code} (name its authority in MILLRACE_S3_CA)`
  if (code.startsWith('HPE_')) return 'the endpoint does not speak HTTP (check AWS_ENDPOINT_URL_S3)'
  if (/^Region (is missing|not accepted)/.test(messageOf(error))) return 'no valid region is set (set AWS_REGION)'
  if (status === 301) return refusals.PermanentRedirect!
  if (status === 403 && !passing.has(name)) return refusals.AccessDenied!
  return null
}

function passingWords(name: string, code: string, error: unknown): string {
  if (name === 'TimeoutError' || code === 'ETIMEDOUT') return 'no answer in time (check that the service is well)'
  if (code === 'ECONNREFUSED') return 'connection refused (check that the service runs at AWS_ENDPOINT_URL_S3)'
  return `${oneLine(error)} (it may pass)`
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

function oneLine(error: unknown): string {
  const name = error instanceof Error && error.name !== 'Error' ? `${error.name}: ` : ''
  return `${name}${messageOf(error).split('\n')[0]}`
}
