import { expect, test } from 'vitest'
import { MillraceError } from '../engine/errors.ts'
import type { PipelineEvent } from '../engine/events.ts'
import { logLines, upkeepLine } from './log-lines.ts'

function linesFor(event: PipelineEvent): Record<string, unknown>[] {
  const lines: string[] = []
  logLines(
    (line) => lines.push(line),
    () => 1_700_000_000_000,
  ).next!(event)
  return lines.map((line) => JSON.parse(line))
}

const committed: PipelineEvent = {
  type: 'committed',
  pipeline: 'p',
  ranges: [{ sourcePartition: 't/0', start: 0n, end: 2n ** 53n + 1n }],
  replay: false,
  rowsIn: 10,
  bytesIn: 100,
  rowsOut: 9,
  deadLetters: 1,
  violations: 0,
  sinks: [{ sink: 'table a', outcome: 'committed', version: 7n, written: { rows: 9 } }],
  lagRecords: 5,
  durationMs: 12.7,
}

test('a batch is one info line with fixed fields, offsets exact', () => {
  expect(linesFor(committed)).toEqual([
    {
      time: '2023-11-14T22:13:20.000Z',
      level: 'info',
      pipeline: 'p',
      outcome: 'committed',
      ranges: { 't/0': ['0', '9007199254740993'] },
      rowsIn: 10,
      rowsOut: 9,
      deadLetters: 1,
      durationMs: 13,
      lagRecords: 5,
      tableVersion: '7',
      written: { rows: 9 },
    },
  ])
})

test('a replayed batch says so, and broken expectations are counted', () => {
  expect(linesFor({ ...committed, replay: true, violations: 3 })[0]).toMatchObject({
    outcome: 'replayed',
    violations: 3,
  })
})

test('texts that became vectors are counted, and told of while they do', () => {
  const embedded = { computed: 3, cached: 4 }
  expect(linesFor({ ...committed, embedded })[0]).toMatchObject({ embedded })
  const embedding = { type: 'embedding', pipeline: 'p', step: 'vectors', embedded: 120 } as const
  const line = { level: 'info', outcome: 'embedding', step: 'vectors' }
  expect(linesFor({ ...embedding, of: 4000 })[0]).toMatchObject({ ...line, message: 'embedded 120 of 4000' })
  expect(linesFor({ ...embedding, of: null })[0]).toMatchObject({ ...line, message: 'embedded 120' })
})

test('being fenced is expected, a retry is a warning, a failure an error', () => {
  const error = new MillraceError('STORE_BUSY', 'store x is held', { retryable: true })
  expect(linesFor({ type: 'fenced', pipeline: 'p', sink: 's', position: new Map() })[0]).toMatchObject({
    level: 'info',
    outcome: 'fenced',
  })
  expect(
    linesFor({ type: 'retried', pipeline: 'p', attempt: 3, delayMs: 50, waitedMs: 900, leftMs: 59_100, error })[0],
  ).toMatchObject({
    level: 'warn',
    attempt: 3,
    delayMs: 50,
    waitedMs: 900,
    leftMs: 59_100,
    code: 'STORE_BUSY',
    message: 'store x is held',
  })
  expect(linesFor({ type: 'input-behind', pipeline: 'p', failed: ['q'] })[0]).toMatchObject({
    level: 'warn',
    failed: ['q'],
  })
  expect(linesFor({ type: 'not-closed', pipeline: 'p', error })[0]).toMatchObject({
    level: 'warn',
    outcome: 'not-closed',
  })
  expect(linesFor({ type: 'failed', pipeline: 'p', error })[0]).toMatchObject({ level: 'error', code: 'STORE_BUSY' })
  expect(linesFor({ type: 'failed', pipeline: 'p', error: 'odd' })[0]).toMatchObject({ level: 'error', message: 'odd' })
})

test('a plan is not worth a line, a stop is', () => {
  expect(
    linesFor({ type: 'planned', pipeline: 'p', ranges: [], sinks: [], replay: false, lagRecords: 0, missing: [] }),
  ).toEqual([])
  expect(linesFor({ type: 'stopped', pipeline: 'p', reason: 'end-of-input' })[0]).toMatchObject({ outcome: 'stopped' })
})

test('what went wrong beside the commits of a table is a warning that names it', () => {
  const error = new MillraceError('STORAGE_FAILED', 'disk full')
  expect(JSON.parse(upkeepLine('bronze/movies', error, 0))).toEqual({
    time: '1970-01-01T00:00:00.000Z',
    level: 'warn',
    table: 'bronze/movies',
    outcome: 'upkeep-failed',
    code: 'STORAGE_FAILED',
    message: 'disk full',
  })
})
