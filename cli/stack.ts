/** Where a bug happened. */

/** The stack of an error and of what caused it. Other properties of errors may hold requests with their credentials: not shown. */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? String(error.stack) : `${error.stack}\ncaused by ${stackOf(error.cause)}`
}
