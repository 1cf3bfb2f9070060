/** Every metric of a running pipeline: a subscriber of its events, printed in the Prometheus text format. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Observer } from 'rxjs'
import type { PipelineEvent } from './events.ts'

export interface PipelineMetrics extends Partial<Observer<PipelineEvent>> {
  /** All metrics as text (Prometheus exposition format 0.0.4). */
  print(): Promise<string>
}

/** Names follow prometheus.io/docs/practices/naming; no label grows with keys, offsets or records. */
export function pipelineMetrics(): PipelineMetrics {
  const registers = [new Registry()]
  const counter = (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name, help, labelNames: ['pipeline', ...labelNames], registers })
  const batches = counter('millrace_batches_total', 'Batches by what became of them', 'outcome')
  const rowsRead = counter('millrace_rows_read_total', 'Rows and records read from sources')
  const bytesRead = counter('millrace_read_bytes_total', 'Bytes read from sources')
  const rowsWritten = counter(
    'millrace_rows_written_total',
    'Rows by sink and by what was done with them',
    'sink',
    'what',
  )
  const deadLetters = counter('millrace_dead_letters_total', 'Records sent to the dead letters')
  const violations = counter(
    'millrace_expectation_violations_total',
    'Rows that broke an expectation and were kept or dropped',
  )
  const texts = counter('millrace_texts_embedded_total', 'Texts that became vectors, by where these came from', 'from')
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ['pipeline'], registers })
  const lag = gauge('millrace_source_lag_records', 'Records between the position and the end of the sources')
  const lastCommit = gauge('millrace_last_commit_timestamp_seconds', 'When the last batch was committed')
  const duration = new Histogram({
    name: 'millrace_batch_duration_seconds',
    help: 'From planning a batch to its last commit',
    labelNames: ['pipeline'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  })
  return {
    print: () => registers[0]!.metrics(),
    next(event) {
      const { pipeline } = event
      switch (event.type) {
        case 'planned':
          lag.set({ pipeline }, event.lagRecords)
          return
        case 'committed':
          batches.inc({ pipeline, outcome: event.replay ? 'replayed' : 'committed' })
          rowsRead.inc({ pipeline }, event.rowsIn)
          bytesRead.inc({ pipeline }, event.bytesIn)
          deadLetters.inc({ pipeline }, event.deadLetters)
          violations.inc({ pipeline }, event.violations)
          for (const [from, count] of Object.entries(event.embedded ?? {})) texts.inc({ pipeline, from }, count)
          for (const { sink, written } of event.sinks)
            for (const [what, count] of Object.entries(written)) rowsWritten.inc({ pipeline, sink, what }, count)
          lag.set({ pipeline }, event.lagRecords)
          lastCommit.setToCurrentTime({ pipeline })
          duration.observe({ pipeline }, event.durationMs / 1000)
          return
        case 'retried':
        case 'fenced':
        case 'failed':
          batches.inc({ pipeline, outcome: event.type })
          return
        case 'stopped':
          return
      }
    },
  }
}
