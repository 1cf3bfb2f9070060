/** JSON whose whole numbers keep all their digits on the way through. */

/** A number kept as it was written; `JSON.stringify` writes it back. Typed here because the checker's library lacks it. */
interface RawJson {
  readonly rawJSON: string
}

interface ExactJson {
  parse(
    text: string,
    reviver: (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown
  rawJSON(text: string): RawJson
  isRawJSON(value: unknown): value is RawJson
}

const json = JSON as unknown as ExactJson

/** Sixteen digits in a row or a large exponent: the text may hold a number that a double does not. */
const mayBeInexact = /\d{16}|[eE][+-]?\d{3}/

/**
 * As `JSON.parse`, except that whole numbers past 2^53 and numbers past a double's range are kept as written:
 * `JSON.stringify` gives them back, {@link integerOf} reads them.
 */
export function parseExactly(text: string): unknown {
  if (!mayBeInexact.test(text)) return JSON.parse(text)
  return json.parse(text, (_, value, { source }) =>
    typeof value === 'number' && source !== undefined && isInexact(value) ? json.rawJSON(source) : value,
  )
}

function isInexact(value: number): boolean {
  return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))
}

/** A whole number of 64 bits, exact; null for anything else. */
export function integerOf(value: unknown): bigint | null {
  const text = json.isRawJSON(value) ? value.rawJSON : Number.isSafeInteger(value) ? String(value) : ''
  if (!/^-?\d{1,19}$/.test(text)) return null
  const integer = BigInt(text)
  return BigInt.asIntN(64, integer) === integer ? integer : null
}

/** A JSON object; neither an array nor a number kept as written. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !json.isRawJSON(value)
}
