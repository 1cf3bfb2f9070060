/** What a setting is, whichever file describes it, and how those of several files are read. */
import { readFileSync } from 'node:fs'
import { parseDuration } from '../engine/duration.ts'
import { messageOf } from '../engine/errors.ts'

/** One setting: where it stands, and what it may be. */
export interface Setting<T> {
  /** Key in the file. */
  readonly key: string
  readonly variable: string
  readonly fallback: T
  /** The value, or what it must be. */
  readonly read: (text: string) => T | Problem
}

/** What a setting must be. */
export interface Problem {
  readonly problem: string
  /** What was given is not repeated: it may hold a secret. */
  readonly secret?: true
}

/** A whole number within bounds, both included. */
export function whole(min: number, max: number) {
  return (text: string): number | Problem => {
    const value = Number(text)
    const ok = text.trim() !== '' && Number.isSafeInteger(value) && value >= min && value <= max
    return ok ? value : { problem: `must be a whole number from ${min} to ${max}` }
  }
}

/** A span of time with its unit, in milliseconds. */
export function readDuration(text: string): number | Problem {
  return parseDuration(text) ?? { problem: durationProblem }
}

/** What a span of time must be. */
export const durationProblem = 'must be a number with its unit (90s, 15m, 2h; 0s for none)'

/** The text of a file of certificates or keys; null for no path. */
export function readPem(path: string): string | null | Problem {
  if (path === '') return null
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    return { problem: `must be a file that can be read (${messageOf(error)})` }
  }
}

/** An address of a service, without a `/` at its end; `''` for none. `key`: the variable that secrets go to instead. */
export function readServiceUrl(key: string) {
  return (text: string): string | Problem => {
    if (text === '') return ''
    const url = URL.canParse(text) ? new URL(text) : null
    if (text.includes('@') || url?.search)
      return { problem: `must be http:// or https://, host, port and path (a key goes to ${key})`, secret: true }
    const good = url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== ''
    return good ? text.replace(/\/+$/, '') : { problem: 'must be http:// or https://, host, port and path' }
  }
}

/** A key that is sent in a header; null for none. Space around it is not part of it. */
export function readKey(text: string): string | null | Problem {
  const key = text.trim()
  if (key === '') return null
  return /^[\x21-\x7e]+$/.test(key) ? key : { problem: 'must be a key without spaces', secret: true }
}
