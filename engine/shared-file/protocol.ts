/** What processes that share a file say to each other. One connection is one session. */
import { type ErrorCode, MillraceError, messageOf } from '../errors.ts'
import type { Mode } from './contract.ts'

/** Processes of another protocol do not work through each other: they wait until the file is free. */
export const protocolVersion = 1

/** The first frame, from the guest. */
export interface Hello {
  readonly protocol: number
  readonly mode: Mode
}

/** Frames from the guest after `ready`: one call after the other's `done` or `error`. */
export interface Call {
  readonly method: string
  readonly parameters: readonly unknown[]
}

/** Frames from the owner. */
export type Reply =
  | { readonly type: 'ready'; readonly pid: number }
  /** The file is being let go of: try again. */
  | { readonly type: 'gone' }
  | { readonly type: 'part'; readonly part: unknown }
  | { readonly type: 'done' }
  | { readonly type: 'error'; readonly error: PlainError }

/** An error as data. */
export interface PlainError {
  readonly message: string
  /** Set for a {@link MillraceError}. */
  readonly code: ErrorCode | null
  readonly retryable: boolean
  readonly problems: readonly string[]
}

/** What was thrown, as data. */
export function plainError(error: unknown): PlainError {
  if (!(error instanceof MillraceError))
    return { message: messageOf(error), code: null, retryable: false, problems: [] }
  const { message, code, retryable, problems } = error
  return { message, code, retryable, problems }
}

/** The error again. */
export function errorOf({ message, code, retryable, problems }: PlainError): Error {
  return code === null ? new Error(message) : new MillraceError(code, message, { retryable, problems })
}
