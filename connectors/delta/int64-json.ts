/** JSON whose 64-bit integers survive: what a double cannot hold is read and printed as bigint. */

interface ReviverContext {
  /** Text of a primitive, as it stands in the input. */
  readonly source?: string
}

type ParseWithSource = (
  text: string,
  reviver: (key: string, value: unknown, context: ReviverContext) => unknown,
) => unknown

// in the runtime since Node 21, not yet in the checker's library
const parseWithSource = JSON.parse as ParseWithSource
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }

/** Fewer digits always fit a double; a false alarm inside a string costs time only. */
const longDigits = /\d{16}/

/**
 * Parses JSON text. Integers that a double holds exactly are numbers, all others bigint: see {@link int64}. Throws a
 * SyntaxError as `JSON.parse` does.
 */
export function parseJson(text: string): unknown {
  return longDigits.test(text) ? parseWithSource(text, exact) : JSON.parse(text)
}

/** Prints a value as JSON text, bigint as integers. */
export function printJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? rawJSON(String(inner)) : inner))
}

/** The integer that {@link parseJson} read, or null if the value is none. */
export function int64(value: unknown): bigint | null {
  if (typeof value === 'bigint') return value
  return Number.isSafeInteger(value) ? BigInt(value as number) : null
}

function exact(_key: string, value: unknown, context: ReviverContext): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  return context.source !== undefined && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value
}
