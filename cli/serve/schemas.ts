/** Pieces of the schemas that requests are checked by. */

/** How many answers: 1 to 1,000. */
export const top = { type: 'integer', minimum: 1, maximum: 1000, default: 10, description: 'how many at most' } as const

/** A short text with something in it. */
export function text(description: string) {
  return { type: 'string', minLength: 1, maxLength: 1000, pattern: '\\S', description } as const
}

/** An object that has exactly these properties. */
export function exactly<P extends object>(properties: P, required: readonly (keyof P & string)[]) {
  return { type: 'object', properties, required, additionalProperties: false } as const
}

const error = {
  type: 'object',
  description: 'what went wrong: 400 wrong input, 404 not there yet, 503 try again',
  properties: {
    error: {
      type: 'object',
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        problems: { type: 'array', items: { type: 'string' } },
      },
      required: ['code', 'message'],
    },
  },
  required: ['error'],
} as const

/** An answer of these properties, or an error. */
export function answer(properties: object, description: string) {
  return {
    200: { type: 'object', properties, required: Object.keys(properties), description },
    default: error,
  } as const
}

/** Rows under a name; their columns are described in words, since stores decide of them. */
export function rows(name: string, description: string) {
  const list = { type: 'array', items: { type: 'object', additionalProperties: true }, description }
  return answer({ [name]: list }, description)
}
