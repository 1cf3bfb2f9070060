/** The settings that say how much of the embedded log is kept. */
import type { LogRetention } from '../connectors/file-log/retention.ts'
import { parseDuration } from '../engine/duration.ts'
import { durationProblem, type Problem, type Setting, whole } from './setting.ts'

/** Only what every pipeline has read that is known to read a topic is ever deleted. */
export const logSettings = {
  age: {
    key: 'logRetention',
    variable: 'MILLRACE_LOG_RETENTION',
    fallback: 7 * 86_400_000,
    read: readAge,
  },
  bytes: {
    key: 'logBytes',
    variable: 'MILLRACE_LOG_BYTES',
    fallback: 256 * 2 ** 20,
    read: whole(0, Number.MAX_SAFE_INTEGER),
  },
} satisfies { readonly [name: string]: Setting<unknown> }

/** Null: all of it. */
export function readLogRetention(value: <T>(setting: Setting<T>) => T): LogRetention | null {
  const ms = value(logSettings.age as Setting<number>)
  const bytes = value(logSettings.bytes as Setting<number>)
  return ms === Number.POSITIVE_INFINITY ? null : { ms, bytes }
}

function readAge(text: string): number | Problem {
  if (text.trim() === 'forever') return Number.POSITIVE_INFINITY
  return parseDuration(text) ?? { problem: `${durationProblem}, or "forever"` }
}
