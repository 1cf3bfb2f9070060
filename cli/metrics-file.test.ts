import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { PipelineEvent } from '../engine/events.ts'
import { guarded } from './guarded-observer.ts'
import { metricsFile } from './metrics-file.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-metrics-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const fenced: PipelineEvent = { type: 'fenced', pipeline: 'p', sink: 's', position: new Map() }

test('a write that fails costs nothing but itself: the next one has everything', async () => {
  const path = join(root, 'later', 'metrics')
  const metrics = metricsFile(path)
  metrics.next?.(fenced)
  await new Promise((resolve) => setImmediate(resolve))
  mkdirSync(join(root, 'later'))
  metrics.next?.(fenced)
  await metrics.close()
  expect(readFileSync(path, 'utf8')).toContain('millrace_batches_total{pipeline="p",outcome="fenced"} 2')
})

test('a file that cannot be written at all is an error at the end', async () => {
  const metrics = metricsFile(join(root, 'nowhere', 'metrics'))
  metrics.next?.(fenced)
  await expect(metrics.close()).rejects.toThrow('ENOENT')
})

test('an observer that throws is told of once and goes on', () => {
  const lines: string[] = []
  let seen = 0
  const observer = guarded(
    {
      next() {
        seen += 1
        throw new Error('no terminal')
      },
    },
    (line) => lines.push(line),
  )
  for (let i = 0; i < 3; i += 1) observer.next?.(fenced)
  expect([seen, lines]).toEqual([3, ['millrace: what happens can no longer be shown: no terminal']])
})
