/**
 * Codes of everything that Millrace refuses or fails at. Scripts may depend on them; a code is never reused for
 * another meaning.
 */
export type ErrorCode =
  | 'DEFINITION_INVALID' // a pipeline definition breaks a rule; `problems` lists every one
  | 'CONFIG_INVALID' // a setting, config file or argument is wrong; `problems` lists every one
  | 'SOURCE_NOT_FOUND' // the topic or table that a pipeline reads does not exist
  | 'SOURCE_RANGE_LOST' // the source no longer keeps records that a position still needs
  | 'SOURCE_READ_FAILED'
  | 'LOG_CORRUPT' // an embedded log holds damaged bytes before its tail
  | 'KAFKA_UNREACHABLE' // no broker answers
  | 'KAFKA_REFUSED' // a broker does not let us in, or not do that: certificate, password, rights
  | 'KAFKA_REQUEST_FAILED' // a broker answered with an error
  | 'KAFKA_UNSUPPORTED' // a broker or a topic's records are too old
  | 'CLICKHOUSE_UNREACHABLE' // no service answers
  | 'CLICKHOUSE_REFUSED' // the service does not let us in, or has no such database
  | 'PINECONE_UNREACHABLE' // no service answers, or it is too busy for too long
  | 'PINECONE_REFUSED' // the key is refused, or an index is not as it must be
  | 'MODEL_UNREACHABLE' // the endpoint of a model does not answer, or only that it has no time
  | 'MODEL_REFUSED' // the endpoint of a model does not let us in, or has no such model
  | 'MODEL_FAILED' // a model cannot be loaded, or an endpoint takes no request of ours or answers otherwise than it should
  | 'NEO4J_UNREACHABLE' // no service answers
  | 'NEO4J_REFUSED' // the service does not let us in, or has no such database
  | 'TABLE_NOT_FOUND'
  | 'TABLE_CORRUPT' // a table's log is damaged: missing version, truncated commit, missing file
  | 'TABLE_UNSUPPORTED' // a table needs a protocol feature that we do not have
  | 'TABLE_CONFLICT' // another writer touched what we read, and retrying inside the sink did not settle it
  | 'SCHEMA_MISMATCH' // rows do not fit the table, and adding nullable columns does not help
  | 'CONSTRAINT_VIOLATED' // rows break a rule of the table that they are written to
  | 'STORAGE_FAILED' // disk full, read-only, permission: the message says which
  | 'STORE_BUSY' // another process holds an embedded store
  | 'SINK_FAILED'
  | 'STEP_FAILED' // an operator failed on a batch as a whole
  | 'RECORDS_FAILED_EXPECTATION' // an expectation with onViolation 'fail' was violated
  | 'DEFINITION_CHANGED' // sinks differ and the definition changed since the half-finished batch
  | 'WORKER_FAILED'
  | 'FAULT_INJECTED' // only ever thrown by a fault point under test

/** What an error can say beside its code and message. */
export interface ErrorDetails {
  /** Whether doing the same again later may succeed. */
  readonly retryable?: boolean
  /** Values that say where it happened; never secrets. */
  readonly context?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
  /** One line each, for errors that collect every problem of a definition or configuration. */
  readonly problems?: readonly string[]
}

/**
 * The one error type. `message` is lower case: subject, what happened, values, then what to do in parentheses.
 */
export class MillraceError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly context: Readonly<Record<string, unknown>>
  readonly problems: readonly string[]

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'MillraceError'
    this.code = code
    this.retryable = details.retryable ?? false
    this.context = details.context ?? {}
    this.problems = details.problems ?? []
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** True for a Node system error (`ENOENT`, `EEXIST`, `ENOSPC`, ...): with one of the given codes, or any if none is. */
export function isSystemError(error: unknown, ...codes: readonly string[]): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return codes.length === 0 ? 'syscall' in error : codes.includes(String(error.code))
}
