/** The errors of the Kafka connector: the client's and the brokers', as ours. Secrets are in none of them. */
import { type GenericError, MultipleErrors, type ProtocolError, protocolErrors } from '@platformatic/kafka'
import { MillraceError, messageOf } from '../../engine/errors.ts'

/** Protocol error codes that are told apart (Kafka protocol guide, "Error Codes"). */
export const kafkaError = {
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  messageTooLarge: 10,
  recordListTooLarge: 18,
  unknownMember: 25,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  topicAlreadyExists: 36,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  concurrentTransactions: 51,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 76,
  producerFenced: 90,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
  fencedMemberEpoch: 110,
} as const

const byCode = new Map(Object.values(protocolErrors).map((error) => [error.code, error]))

/** `NOT_LEADER_OR_FOLLOWER`, or the bare number of a code that nobody knows. */
export function errorName(code: number): string {
  return byCode.get(code)?.id ?? `error ${code}`
}

/** The first protocol error code in anything that the client threw; null if a broker said nothing of the kind. */
export function protocolCode(error: unknown): number | null {
  for (const each of chain(error)) {
    const { apiCode } = each as Partial<ProtocolError>
    if (typeof apiCode === 'number') return apiCode
  }
  return null
}

/** A broker answered with an error code. */
export function requestFailed(what: string, code: number): MillraceError {
  const known = byCode.get(code)
  const refused = code === kafkaError.topicAuthorizationFailed || code === kafkaError.groupAuthorizationFailed
  return new MillraceError(
    refused ? 'KAFKA_REFUSED' : 'KAFKA_REQUEST_FAILED',
    `kafka: ${what}: ${errorName(code)}: ${known?.message ?? 'an error code that we do not know'}${advice(code)}`,
    { retryable: retryableCodes.has(code) || (known?.canRetry ?? false), context: { code, error: errorName(code) } },
  )
}

function advice(code: number): string {
  switch (code) {
    case kafkaError.topicAuthorizationFailed:
    case kafkaError.groupAuthorizationFailed:
      return ' (give this user the right on the cluster)'
    case kafkaError.messageTooLarge:
      return " (send smaller records, or raise the topic's max.message.bytes)"
    case kafkaError.recordListTooLarge:
      return " (send smaller records, or raise the topic's segment.bytes)"
    default:
      return ''
  }
}

/** There is no topic of a name. */
export function topicMissing(name: string): MillraceError {
  return new MillraceError('SOURCE_NOT_FOUND', `topic not found: ${name} (create it, or check its name)`, {
    context: { topic: name },
  })
}

/** Codes after which asking again, of whoever leads by then, may go well. */
const retryableCodes: ReadonlySet<number> = new Set([
  kafkaError.unknownTopicOrPartition,
  kafkaError.fencedLeaderEpoch,
  kafkaError.unknownLeaderEpoch,
  kafkaError.unknownTopicId,
  kafkaError.inconsistentTopicId,
  kafkaError.concurrentTransactions,
])

/** Anything that the client threw while `what` was tried, as an error of ours. */
export function kafkaFailure(what: string, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const errors = chain(error)
  const certificate = errors.find((each) => isCertificateCode((each as GenericError).code))
  if (certificate !== undefined)
    return new MillraceError(
      'KAFKA_REFUSED',
      `kafka: ${what}: the broker's certificate is not trusted: ${certificate.message} (set KAFKA_CA to the authority that signed it)`,
    )
  const wrongProtocol = errors.find((each) => isWrongProtocol(each))
  if (wrongProtocol !== undefined)
    return new MillraceError(
      'KAFKA_REFUSED',
      `kafka: ${what}: the broker speaks another security protocol: ${wrongProtocol.message} (set KAFKA_SECURITY_PROTOCOL to that of its listener)`,
    )
  const code = protocolCode(error)
  const network = errors.some((each) => networkCodes.has(String((each as GenericError).code)))
  const unauthenticated = errors.some((each) => (each as GenericError).code === 'PLT_KFK_AUTHENTICATION')
  if (unauthenticated && (code !== null || !network))
    // a connection that breaks meanwhile refuses nobody
    return new MillraceError(
      'KAFKA_REFUSED',
      `kafka: ${what}: the broker refused the user or password (check KAFKA_USER, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM)`,
    )
  if (code !== null) return requestFailed(what, code)
  const deepest = errors.at(-1) as GenericError | undefined
  if (!network)
    return new MillraceError('KAFKA_REQUEST_FAILED', `kafka: ${what}: ${messageOf(error)}`, { cause: error })
  return new MillraceError(
    'KAFKA_UNREACHABLE',
    `kafka: ${what}: ${deepest?.message ?? messageOf(error)} (is the broker up, and KAFKA_BROKERS its address?)`,
    { retryable: true },
  )
}

const networkCodes: ReadonlySet<string> = new Set([
  'PLT_KFK_NETWORK',
  'PLT_KFK_TIMEOUT',
  'PLT_KFK_UNEXPECTED_CORRELATION_ID', // what is left of a connection that broke
  'PLT_KFK_UNFINISHED_WRITE_BUFFER',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])

/** Node's names for what may be wrong with a certificate, ours included. */
function isCertificateCode(code: unknown): boolean {
  return (
    typeof code === 'string' &&
    /CERT|UNABLE_TO_|ERR_TLS_|ERR_SSL_TLSV1(3)?_ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_REQUIRED)/.test(code)
  )
}

function isWrongProtocol(error: Error): boolean {
  return /Broker requires TLS|wrong version number|TLS handshake failed|ERR_SSL_/.test(
    `${error.message} ${String((error as GenericError).code)}`,
  )
}

/** The error, what it gathers, and what caused each, outermost first. */
function chain(error: unknown): Error[] {
  if (!(error instanceof Error)) return []
  const gathered = error instanceof MultipleErrors || error instanceof AggregateError ? error.errors : []
  return [error, ...gathered.flatMap(chain), ...chain(error.cause)]
}

/** Records `[start, end)` were asked for and the broker does not keep them (any more). */
export function rangeLost(place: {
  readonly topic: string
  readonly partition: number
  readonly start: bigint
  readonly end: bigint
  readonly why: string
}): MillraceError {
  const { topic, partition, start, end, why } = place
  return new MillraceError(
    'SOURCE_RANGE_LOST',
    `topic ${topic} partition ${partition} no longer has offsets [${start}, ${end}): ${why} (keep records longer, or set onDataLoss: 'continue' to go on without them)`,
    { context: { topic, partition, start: String(start), end: String(end) } },
  )
}
