/** What a command says at its end of pipelines that failed. */
import { MillraceError, messageOf } from '../engine/errors.ts'
import type { FailedPipeline } from '../engine/run-all.ts'
import { stackOf } from './stack.ts'

/**
 * Lines for people: where bugs happened, then each failed pipeline with its message, which says what to do, and last their names where
 * there were others. Nothing where none failed.
 */
export function failureLines(failed: readonly FailedPipeline[], ran: number): string[] {
  const bugs = failed.filter(({ error }) => !(error instanceof MillraceError))
  const names = failed.map(({ pipeline }) => pipeline).join(', ')
  return [
    ...bugs.map(({ error }) => stackOf(error)),
    ...failed.flatMap(({ pipeline, error }) =>
      whyOf(error).map((why) => `millrace: pipeline ${pipeline} failed: ${why.replace(`pipeline ${pipeline}: `, '')}`),
    ),
    ...(failed.length > 0 && ran > 1 ? [`millrace: ${failed.length} of ${ran} pipelines failed: ${names}`] : []),
  ]
}

/** 0 where none failed; 2 where all that failed did so for what they were given; else 1. */
export function exitCodeOf(failed: readonly FailedPipeline[]): number {
  if (failed.length === 0) return 0
  return failed.every(({ error }) => isUsageError(error)) ? 2 : 1
}

/** Whether definitions, configuration or arguments are wrong. */
export function isUsageError(error: unknown): boolean {
  return error instanceof MillraceError && (error.code === 'CONFIG_INVALID' || error.code === 'DEFINITION_INVALID')
}

function whyOf(error: unknown): readonly string[] {
  if (!(error instanceof MillraceError)) return [`internal error: ${messageOf(error)} (please report it)`]
  return isUsageError(error) && error.problems.length > 0 ? error.problems : [error.message]
}
