/** What a failed statement means for a batch. */
import type { StageRun } from '../../engine/contracts.ts'
import { saysDiskFull } from '../../engine/disk-full.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'

/** The error of a stage, with DuckDB's words; our own errors stay as they are. */
export function stageFailure(error: unknown, run: StageRun): MillraceError {
  if (error instanceof MillraceError) return error
  const said = messageOf(error)
  const where = `pipeline ${run.pipeline}, stage ${run.stage.id}`
  const context = { pipeline: run.pipeline, stage: run.stage.id, steps: run.stage.steps.map((step) => step.id) }
  const details = { cause: error, context }
  const full = saysDiskFull(error)
  if (full || /max_temp_directory_size/i.test(said))
    return new MillraceError(
      'STORAGE_FAILED',
      `${where}: the disk is full: ${said} (free space for staging and spilling)`,
      { ...details, retryable: full },
    )
  if (saysOutOfMemory(said))
    return new MillraceError(
      'STEP_FAILED',
      `${where}: the memory limit was reached: ${said} (raise the memory limit, or lower limits.maxBytes)`,
      details,
    )
  return new MillraceError('STEP_FAILED', `${where}: steps ${context.steps.join(', ')} failed: ${said}`, details)
}

/** Whether a stage failed for the memory limit alone. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'STEP_FAILED' && saysOutOfMemory(messageOf(error.cause))
}

function saysOutOfMemory(said: string): boolean {
  return /^Out of Memory Error/i.test(said)
}
