/** Fills a data directory's log with so many bytes of records. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { sendEvents } from '../cli/send-events.ts'
import type { TmdbEvent } from '../connectors/tmdb/event.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { DocumentSet } from './documents.ts'

export interface Prepared {
  readonly records: number
  readonly bytes: number
}

/** Repeats the documents, one hour later each time, until `megabytes` are in the log of `dataDir`, which is emptied first. */
export async function fillLog(dataDir: string, set: DocumentSet, megabytes: number): Promise<Prepared> {
  rmSync(dataDir, { recursive: true, force: true })
  let records = 0
  let bytes = 0
  for (let turn = 0; bytes < megabytes * 1e6; turn += 1) {
    const events = set.events.map(
      (event): TmdbEvent => ({ ...event, timestampMs: event.timestampMs + turn * 3_600_000 }),
    )
    const options = { seed: 1, partitions: 4, clock: systemClock, ids: systemIds }
    const report = await sendEvents(events, { ...options, logDir: join(dataDir, 'log') })
    records += report.records
    bytes += report.bytes
  }
  return { records, bytes }
}
