/** What a setting is, whichever file describes it, and how those of several files are read. */
import { readFileSync } from 'node:fs'
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

/** The text of a file of certificates or keys; null for no path. */
export function readPem(path: string): string | null | Problem {
  if (path === '') return null
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    return { problem: `must be a file that can be read (${messageOf(error)})` }
  }
}
