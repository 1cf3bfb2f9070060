/** The setting that says who may ask `serve` from another machine. */
import { readKey, type Setting } from './setting.ts'

const shortestToken = 16

/** Empty counts as not given. */
export const serveSettings = {
  token: {
    key: 'serveToken',
    variable: 'MILLRACE_SERVE_TOKEN',
    fallback: null,
    read: (text: string) => {
      const token = readKey(text)
      if (typeof token !== 'string' || token.length >= shortestToken) return token
      return { problem: `must have ${shortestToken} characters or more`, secret: true }
    },
  },
} satisfies { readonly [name: string]: Setting<string | null> }
