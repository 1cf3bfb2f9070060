import { expect, test } from 'vitest'
import { MillraceError } from './errors.ts'
import type { PipelineEvent } from './events.ts'
import { pipelineMetrics } from './metrics.ts'

const committed: PipelineEvent = {
  type: 'committed',
  pipeline: 'p',
  ranges: [],
  replay: false,
  rowsIn: 10,
  bytesIn: 2048,
  rowsOut: 8,
  deadLetters: 2,
  violations: 0,
  sinks: [{ sink: 'table t', outcome: 'committed', written: { inserted: 5, updated: 3 } }],
  embedded: { computed: 3, cached: 4 },
  lagRecords: 7,
  durationMs: 120,
}

test('what a pipeline tells adds up to metrics that Prometheus can read', async () => {
  const metrics = pipelineMetrics()
  for (const event of [
    committed,
    committed,
    { type: 'fenced', pipeline: 'p', sink: 's', position: new Map() },
  ] as const)
    metrics.next?.(event)
  metrics.next?.({
    type: 'retried',
    pipeline: 'p',
    attempt: 1,
    delayMs: 5,
    waitedMs: 0,
    leftMs: 1000,
    error: new MillraceError('STORE_BUSY', 'busy'),
  })
  const lines = (await metrics.print()).split('\n')
  for (const line of [
    '# TYPE millrace_batches_total counter',
    'millrace_batches_total{pipeline="p",outcome="committed"} 2',
    'millrace_batches_total{pipeline="p",outcome="fenced"} 1',
    'millrace_batches_total{pipeline="p",outcome="retried"} 1',
    'millrace_rows_read_total{pipeline="p"} 20',
    'millrace_read_bytes_total{pipeline="p"} 4096',
    'millrace_rows_written_total{pipeline="p",sink="table t",what="updated"} 6',
    'millrace_dead_letters_total{pipeline="p"} 4',
    'millrace_texts_embedded_total{pipeline="p",from="computed"} 6',
    'millrace_texts_embedded_total{pipeline="p",from="cached"} 8',
    'millrace_source_lag_records{pipeline="p"} 7',
    'millrace_batch_duration_seconds_bucket{le="0.25",pipeline="p"} 2',
  ])
    expect(lines).toContain(line)
})
