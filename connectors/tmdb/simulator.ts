/** Sends events to topics as a careless world would: out of order, late, twice, damaged; all of it from a seed. */
import type { Clock } from '../../engine/contracts.ts'
import { type Corruption, corrupted, corruptions } from './corruption.ts'
import { recordOf, type TopicRecord } from './envelope.ts'
import type { TmdbEvent } from './event.ts'
import { type Random, randomOf } from './random.ts'

/** Where records go. */
export interface RecordAppender {
  /** Writes records of one topic in their order; they are durable when it resolves. */
  append(topic: string, records: readonly TopicRecord[]): Promise<void>
}

/** What happens to records on their way; probabilities are per record. */
export interface Disorder {
  readonly seed: number
  /** Records are mixed within windows of so many: none is moved further than that. 0 and 1 keep the order. */
  readonly shuffleWindow?: number
  /** Share of events whose record is held back. */
  readonly late?: number
  /** Share of events whose record is sent once more. */
  readonly duplicate?: number
  /** By how many events a late record or a second copy is delayed at most. Default 500. */
  readonly delayEvents?: number
  /** Share of events of which a damaged copy is sent. Deletions have nothing to damage. */
  readonly corrupt?: number
  /**
   * The damaged copy is sent instead of the good record, which is lost. Without it the good record is sent too, so
   * that tables come out as without damage.
   */
  readonly corruptReplaces?: boolean
}

export interface SimulateOptions extends Disorder {
  readonly clock: Clock
  /** Records a second, over all topics. Default: as fast as the appender takes them. */
  readonly ratePerSecond?: number
  /** Records in one append at most, over all topics. Default 5,000; fewer if their values pass 16 MiB. */
  readonly batchRecords?: number
  /** Stops between two batches; what has been sent stays sent. */
  readonly signal?: AbortSignal
  /** After every batch, with the counts so far. */
  readonly onProgress?: (report: SimulationReport) => void
}

/** What was sent, counted as it was written. */
export interface SimulationReport {
  /** Events whose own record was sent, on time or late: all events, unless stopped or replaced by damaged copies. */
  readonly events: number
  readonly records: number
  /** Bytes of keys and values. */
  readonly bytes: number
  readonly topics: Readonly<Record<string, number>>
  readonly tombstones: number
  /** Own records that were held back. */
  readonly late: number
  readonly duplicates: number
  /** Damaged records, by what was done to them. */
  readonly corrupted: Readonly<Record<Corruption, number>>
  /** False if the signal ended it early. */
  readonly complete: boolean
}

/** A record on its way, and why it is sent. */
export interface Outgoing extends TopicRecord {
  readonly cause: 'event' | 'late' | 'duplicate' | Corruption
}

/**
 * Sends all events. Sending more later, or the same again, appends to the topics.
 * @throws what the events or the appender throw; batches before that are sent
 */
export async function simulate(
  events: Iterable<TmdbEvent> | AsyncIterable<TmdbEvent>,
  options: SimulateOptions,
  appender: RecordAppender,
): Promise<SimulationReport> {
  const { clock, ratePerSecond, signal } = options
  const tally = openTally()
  const startMs = clock.nowMs()
  for await (const batch of inBatches(disordered(events, options), batchLimit(options))) {
    if (signal?.aborted) return tally.report(false)
    for (const [topic, records] of byTopic(batch)) {
      await appender.append(topic, records)
      tally.count(topic, records)
    }
    options.onProgress?.(tally.report(false))
    if (ratePerSecond === undefined) continue
    const dueMs = startMs + (tally.report(false).records * 1000) / ratePerSecond
    await clock.sleep(Math.max(0, dueMs - clock.nowMs()), signal)
  }
  return tally.report(true)
}

/** With a rate, about ten batches a second. */
function batchLimit({ batchRecords = 5000, ratePerSecond }: SimulateOptions): number {
  return ratePerSecond === undefined
    ? batchRecords
    : Math.max(1, Math.min(batchRecords, Math.round(ratePerSecond / 10)))
}

/** The records of events, in the order in which they are sent. Holds back as many as are late, and one window. */
export async function* disordered(
  events: Iterable<TmdbEvent> | AsyncIterable<TmdbEvent>,
  options: Disorder,
): AsyncGenerator<Outgoing, void, undefined> {
  const { seed, shuffleWindow = 0 } = options
  const random = randomOf(seed, 'shuffle')
  let window: Outgoing[] = []
  for await (const record of withCopies(events, options)) {
    window.push(record)
    if (window.length < shuffleWindow) continue
    yield* shuffled(window, random)
    window = []
  }
  yield* shuffled(window, random)
}

async function* withCopies(
  events: Iterable<TmdbEvent> | AsyncIterable<TmdbEvent>,
  options: Disorder,
): AsyncGenerator<Outgoing, void, undefined> {
  const { seed, late = 0, duplicate = 0, corrupt = 0, corruptReplaces = false, delayEvents = 500 } = options
  const held = openHeldBack()
  let count = 0
  for await (const event of events) {
    // A stream of its own for each event: what happens to one does not depend on the options for the others.
    const random = randomOf(seed, 'event', count)
    const fate = { late: random.next() < late, duplicate: random.next() < duplicate, corrupt: random.next() < corrupt }
    const own = recordOf(event)
    const lateUntil = count + random.between(1, delayEvents)
    const againAt = count + random.between(1, delayEvents)
    const damaged = fate.corrupt ? corrupted(event, random) : null
    if (damaged !== null) yield { ...damaged, cause: damaged.corruption }
    if (damaged === null || !corruptReplaces) {
      if (fate.late) held.put(lateUntil, { ...own, cause: 'late' })
      else yield { ...own, cause: 'event' }
      if (fate.duplicate) held.put(againAt, { ...own, cause: 'duplicate' })
    }
    yield* held.take(count)
    count += 1
  }
  yield* held.takeAll()
}

/** Records that wait until so many events have passed. */
function openHeldBack() {
  const byDue = new Map<number, Outgoing[]>()
  const take = (due: number): readonly Outgoing[] => {
    const records = byDue.get(due) ?? []
    byDue.delete(due)
    return records
  }
  return {
    put(due: number, record: Outgoing): void {
      const records = byDue.get(due)
      if (records === undefined) byDue.set(due, [record])
      else records.push(record)
    },
    take,
    takeAll: (): readonly Outgoing[] => [...byDue.keys()].sort((a, b) => a - b).flatMap(take),
  }
}

/** In place; every order is equally likely (Fisher and Yates). */
function shuffled(window: Outgoing[], random: Random): readonly Outgoing[] {
  if (window.length < 2) return window
  for (let i = window.length - 1; i > 0; i -= 1) {
    const j = random.int(i + 1)
    const moved = window[i]!
    window[i] = window[j]!
    window[j] = moved
  }
  return window
}

const maxBatchBytes = 16 * 2 ** 20

async function* inBatches(
  records: AsyncIterable<Outgoing>,
  maxRecords: number,
): AsyncGenerator<readonly Outgoing[], void, undefined> {
  let batch: Outgoing[] = []
  let bytes = 0
  for await (const record of records) {
    batch.push(record)
    bytes += record.value?.length ?? 0
    if (batch.length < maxRecords && bytes < maxBatchBytes) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

function byTopic(batch: readonly Outgoing[]): ReadonlyMap<string, readonly Outgoing[]> {
  return Map.groupBy(batch, (record) => record.topic)
}

function openTally() {
  const topics: Record<string, number> = {}
  const causes = new Map<Outgoing['cause'], number>()
  let records = 0
  let bytes = 0
  let tombstones = 0
  const caused = (cause: Outgoing['cause']): number => causes.get(cause) ?? 0
  return {
    count(topic: string, sent: readonly Outgoing[]): void {
      topics[topic] = (topics[topic] ?? 0) + sent.length
      records += sent.length
      for (const { key, value, cause } of sent) {
        causes.set(cause, caused(cause) + 1)
        bytes += key.length + (value?.length ?? 0)
        if (value === null) tombstones += 1
      }
    },
    report: (complete: boolean): SimulationReport => ({
      events: caused('event') + caused('late'),
      records,
      bytes,
      topics: { ...topics },
      tombstones,
      late: caused('late'),
      duplicates: caused('duplicate'),
      corrupted: Object.fromEntries(corruptions.map((kind) => [kind, caused(kind)])) as Record<Corruption, number>,
      complete,
    }),
  }
}
