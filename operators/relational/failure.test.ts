import { expect, test } from 'vitest'
import type { StageRun } from '../../engine/contracts.ts'
import { stageFailure } from './failure.ts'

const run = { pipeline: 'p', stage: { id: 's', steps: [{ id: 's' }] } } as unknown as StageRun

test('a stage that found the disk full may be tried again, one whose statement failed may not', () => {
  const full = stageFailure(new Error('IO Error: Could not write file "/tmp/a": No space left on device'), run)
  expect(full).toMatchObject({ code: 'STORAGE_FAILED', retryable: true })
  expect(full.message).toContain('pipeline p, stage s: the disk is full')
  expect(stageFailure(new Error('Conversion Error'), run)).toMatchObject({ code: 'STEP_FAILED', retryable: false })
})
