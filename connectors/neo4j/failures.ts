/** What the service or the way to it said, as an error of ours. The password is in none of them. */
import { Neo4jError } from 'neo4j-driver'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { redacted } from '../../engine/redact.ts'
import type { Neo4jSettings } from './settings.ts'

/** Neo4j's own code in anything that the driver threw, such as `Neo.ClientError.Statement.SyntaxError`; null if it said nothing of the kind. */
export function codeOf(error: unknown): string | null {
  return error instanceof Neo4jError && error.code.startsWith('Neo.') ? error.code : null
}

/** What the driver says where a certificate does not prove who the service is. */
const untrusted = /certificate is not trusted|trusted certificates|did not return any valid certificates/i

/** Anything that the driver threw while `what` was tried, as an error of ours. */
export function neo4jFailure(what: string, error: unknown, settings: Neo4jSettings): MillraceError {
  if (error instanceof MillraceError) return error
  const where = `neo4j at ${settings.uri}`
  const code = codeOf(error)
  const said = shortened(messageOf(error), settings.password)
  const context = code === null ? {} : { code, said }
  if (code === 'Neo.ClientError.Database.DatabaseNotFound')
    return new MillraceError(
      'NEO4J_REFUSED',
      `${where}: there is no database ${settings.database ?? 'of its own for the user'} (create it, or name another in NEO4J_DATABASE)`,
      { context },
    )
  if (code?.startsWith('Neo.ClientError.Security.'))
    return new MillraceError(
      'NEO4J_REFUSED',
      `${where}: ${what}: user ${settings.user} is refused: ${said} (check NEO4J_USER, NEO4J_PASSWORD and the user's rights)`,
      { context },
    )
  if (code !== null && /OutOfMemory/.test(code))
    return new MillraceError(
      'SINK_FAILED',
      `${where}: ${what}: ${said} (code ${code}; give the service more memory for transactions, or write smaller batches: --max-records)`,
      { context },
    )
  if (code !== null)
    return new MillraceError('SINK_FAILED', `${where}: ${what}: ${said} (code ${code})`, {
      retryable: mayPass(code),
      context,
      cause: error,
    })
  if (untrusted.test(said))
    return new MillraceError(
      'NEO4J_REFUSED',
      `${where}: ${what}: its certificate is not trusted${reason(said)} (name the file of its authority in NEO4J_CA, and the host as the certificate does)`,
    )
  if (!(error instanceof Neo4jError))
    return new MillraceError('SINK_FAILED', `${where}: ${what}: ${said}`, { cause: error })
  return unreachable(where, what, reason(said) || `: ${said}`)
}

/** The service has not said anything for as long as it may. */
export function silence(settings: Neo4jSettings): MillraceError {
  return new MillraceError(
    'NEO4J_UNREACHABLE',
    `neo4j at ${settings.uri}: no sign of life for ${settings.timeoutMs} ms (does the service hang? NEO4J_TIMEOUT_MS says how long to wait)`,
    { retryable: true },
  )
}

function unreachable(where: string, what: string, why: string): MillraceError {
  return new MillraceError(
    'NEO4J_UNREACHABLE',
    `${where}: ${what}${why} (is the service up, and NEO4J_URI its Bolt address?)`,
    { retryable: true },
  )
}

/** What may be tried again: deadlocks, a service that starts, stops or changes its leader, no memory at the moment. */
function mayPass(code: string): boolean {
  return code.startsWith('Neo.TransientError.') || code.startsWith('Neo.ClientError.Cluster.NotALeader')
}

/** The driver wraps what Node said in advice of its own. */
function reason(said: string): string {
  const cause = /(?:Caused by|Socket responded with): ?(.+)$/s.exec(said)?.[1]
  return cause === undefined ? '' : `: ${cause}`
}

/** Messages of the service may show a whole statement, and what follows the first line is a drawing of it. */
function shortened(message: string, password: string): string {
  const line = redacted(message.split('\n')[0]!, [password])
  return line.slice(0, 600).trim() || 'no response that makes sense'
}
