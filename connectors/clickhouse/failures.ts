/** What the service or the way to it said, as an error of ours. The password is in none of them. */
import { ClickHouseError } from '@clickhouse/client'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { redacted } from '../../engine/redact.ts'
import type { ClickhouseSettings } from './settings.ts'

/** Error codes of ClickHouse that are told apart (src/Common/ErrorCodes.cpp). */
export const clickhouseError = {
  unknownTable: '60',
  unknownDatabase: '81',
} as const

/** Unknown user, wrong or missing password, rights on a database, rights on anything, authentication failed. */
const refusedCodes: ReadonlySet<string> = new Set(['192', '193', '194', '291', '497', '516'])

/**
 * What may pass: timeouts, too many queries or parts, lost network, no memory or disk at the moment, read-only or shutting-down tables, a status
 * of an insert that nobody knows, a coordinator that is away.
 */
const retryableCodes: ReadonlySet<string> = new Set(
  [
    '159',
    '160',
    '202',
    '203',
    '209',
    '210',
    '225',
    '236',
    '241',
    '242',
    '243',
    '252',
    '286',
    '319',
    '341',
    '394',
    '425',
  ].concat(['439', '473', '999']),
)

/** ClickHouse's own code in anything that the client threw; null if the service said nothing of the kind. */
export function codeOf(error: unknown): string | null {
  return error instanceof ClickHouseError ? error.code : null
}

/** Node's codes for a certificate that does not prove who the service is. */
const untrusted: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Anything that the client threw while `what` was tried, as an error of ours. */
export function clickhouseFailure(what: string, error: unknown, settings: ClickhouseSettings): MillraceError {
  if (error instanceof MillraceError) return error
  const where = `clickhouse at ${settings.url}`
  const code = codeOf(error)
  const said = firstLine(messageOf(error), settings)
  const context = code === null ? {} : { code }
  if (code === clickhouseError.unknownDatabase)
    return new MillraceError(
      'CLICKHOUSE_REFUSED',
      `${where}: there is no database ${settings.database} (create it, or name another in CLICKHOUSE_DATABASE)`,
      { context },
    )
  if (code !== null && refusedCodes.has(code))
    return new MillraceError(
      'CLICKHOUSE_REFUSED',
      `${where}: ${what}: user ${settings.user} is refused: ${said} (check CLICKHOUSE_USER, CLICKHOUSE_PASSWORD and the user's rights)`,
      { context },
    )
  if (code !== null)
    return new MillraceError('SINK_FAILED', `${where}: ${what}: ${said} (code ${code})`, {
      retryable: retryableCodes.has(code),
      context,
    })
  if (untrusted.has(systemCode(error)))
    return new MillraceError(
      'CLICKHOUSE_REFUSED',
      `${where}: ${what}: its certificate is not trusted: ${said} (name the file of its authority in CLICKHOUSE_CA, and the host as the certificate does)`,
    )
  if (said === 'Timeout error.')
    return new MillraceError(
      'CLICKHOUSE_UNREACHABLE',
      `${where}: ${what}: no sign of life for ${settings.requestTimeoutMs} ms (does the service hang? CLICKHOUSE_TIMEOUT_MS says how long to wait)`,
      { retryable: true },
    )
  return new MillraceError(
    'CLICKHOUSE_UNREACHABLE',
    `${where}: ${what}: ${said} (is the service up, and CLICKHOUSE_URL its HTTP address?)`,
    { retryable: true },
  )
}

/** Messages of the service may be pages long and end in its version. */
function firstLine(message: string, { user, password }: ClickhouseSettings): string {
  const line = redacted(message.split('\n')[0] ?? '', [password, basic(user, password)])
  return line.slice(0, 500).trim() || 'no response that makes sense'
}

/** What the client sends in its `Authorization` header, which proxies like to repeat. */
function basic(user: string, password: string): string {
  return password === '' ? '' : Buffer.from(`${user}:${password}`).toString('base64')
}
