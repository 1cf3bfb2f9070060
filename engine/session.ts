/** The opened sources and sinks of one running pipeline, and the questions that the loop asks of them together. */
import type { Position, Range, Sink, SinkPosition, Source } from './contracts.ts'
import type { PipelineEvent } from './events.ts'
import type { Pipeline } from './pipeline.ts'
import { availableRanges, shareLimits } from './plan.ts'
import type { RunOptions, Runtime } from './runtime.ts'

/** What one run holds open, from its first batch to its last. */
export interface Session {
  readonly pipeline: Pipeline
  readonly runtime: Runtime
  readonly sources: ReadonlyMap<string, Source>
  /** In commit order, the primary last. */
  readonly sinks: readonly Sink[]
  /** Where partitions begin that no sink has a position for. */
  initial: Position
  close(): Promise<void>
}

/** A run under way: what it works with, how it is asked to end, whom it tells. */
export interface Run {
  readonly session: Session
  readonly options: RunOptions
  emit(event: PipelineEvent): void
}

/** Opens everything; what was opened is closed in reverse order, also when a later one cannot be opened. */
export async function openSession(pipeline: Pipeline, runtime: Runtime): Promise<Session> {
  const opened: { close(): Promise<void> }[] = []
  const close = async () => {
    for (const each of opened.splice(0).reverse()) await each.close()
  }
  try {
    const sources = new Map<string, Source>()
    for (const [name, description] of Object.entries(pipeline.sources)) {
      const source = await runtime.openSource(description)
      opened.push(source)
      sources.set(name, source)
    }
    const sinks: Sink[] = []
    for (const description of pipeline.sinks) {
      const sink = await runtime.openSink(description)
      opened.push(sink)
      sinks.push(sink)
    }
    return { pipeline, runtime, sources, sinks, initial: new Map(), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Where all sources end now. */
export async function latestPosition(session: Session): Promise<Position> {
  return merged(session, (source) => source.latest())
}

/**
 * Where reading begins for partitions without a position. A partition keeps the beginning that was first seen, so that
 * records which arrive between two looks are not taken for read.
 */
export async function refreshInitial(session: Session): Promise<Position> {
  const now = await merged(session, (source) => source.start())
  session.initial = new Map([...now, ...session.initial])
  return session.initial
}

async function merged(session: Session, ask: (source: Source) => Promise<Position>): Promise<Position> {
  const all = new Map<string, bigint>()
  for (const source of session.sources.values())
    for (const [partition, next] of await ask(source)) all.set(partition, next)
  return all
}

/** Of every sink, in commit order. */
export function sinkPositions(session: Session): Promise<SinkPosition[]> {
  return Promise.all(session.sinks.map((sink) => sink.position(session.pipeline.name)))
}

/** What one batch is to read; at least one range is not empty. */
export interface PlannedRanges {
  /** By source name. */
  readonly bySource: ReadonlyMap<string, readonly Range[]>
  readonly all: readonly Range[]
  /** Records from the position to the source's end, this batch included. */
  readonly lagRecords: number
}

/** The next ranges from `position` towards `end`, cut to the limits; null when there is nothing to read. */
export async function planRanges(session: Session, position: Position, end: Position): Promise<PlannedRanges | null> {
  const bySource = new Map<string, Range[]>()
  let lagRecords = 0
  for (const [name, source] of session.sources) {
    const mine = await source.latest()
    const own = new Map([...end].filter(([partition]) => mine.has(partition)))
    const available = availableRanges(position, session.initial, own)
    const counts = await Promise.all(available.map((range) => source.count(range)))
    lagRecords += counts.reduce((sum, n) => sum + n, 0)
    const shares = shareLimits(counts, session.pipeline.limits)
    const cut = await Promise.all(available.map((range, i) => source.cut(range, shares[i]!)))
    bySource.set(
      name,
      cut.filter((range) => range.start < range.end),
    )
  }
  const all = [...bySource.values()].flat()
  return all.length === 0 ? null : { bySource, all, lagRecords }
}

/** `position` moved on to the ends of `ranges`. */
export function advance(position: Position, ranges: readonly Range[]): Position {
  return new Map([...position, ...ranges.map((range) => [range.sourcePartition, range.end] as const)])
}
