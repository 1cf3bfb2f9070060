/** The opened sources and sinks of one running pipeline, and the questions that the loop asks of them together. */
import type { Position, Range, Sink, SinkPosition, Source } from './contracts.ts'
import { MillraceError } from './errors.ts'
import type { PipelineEvent } from './events.ts'
import { replacedSources, startedPartition, startPartition } from './identity.ts'
import type { Available } from './lag.ts'
import type { Pipeline } from './pipeline.ts'
import { availableRanges, shareLimits } from './plan.ts'
import type { RunOptions, Runtime } from './runtime.ts'
import { planStages } from './stages.ts'

/** What one run holds open, from its first batch to its last. */
export interface Session {
  readonly pipeline: Pipeline
  readonly runtime: Runtime
  readonly sources: ReadonlyMap<string, Source>
  /** In commit order, the primary last. */
  readonly sinks: readonly Sink[]
  /** Where partitions begin that no sink has a position for. */
  initial: Position
  /** What the sources are ({@link Source.identity}), as of the last {@link refreshInitial}. */
  identity: Position
  /** What was told of as not there ({@link Source.absent}), as of the last turn. */
  toldMissing: ReadonlySet<string>
  /** Whether a sink holds nothing of the pipeline yet, not even that it has run, as of the last look at the sinks. */
  isNew: boolean
  /** The partitions that are ours in this turn; null: all. */
  owned: ReadonlySet<string> | null
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
  const close = () => closeAll(opened.splice(0).reverse())
  const executors = new Set(planStages(pipeline).map((stage) => runtime.executors[stage.executor]))
  for (const executor of executors) executor.prepare?.(Object.values(pipeline.sources))
  try {
    const sources = new Map<string, Source>()
    for (const [name, description] of Object.entries(pipeline.sources)) {
      const source = await runtime.openSource(description, pipeline)
      opened.push(source)
      sources.set(name, source)
    }
    const sinks: Sink[] = []
    for (const description of pipeline.sinks) {
      const sink = await runtime.openSink(description)
      opened.push(sink)
      sinks.push(sink)
    }
    const told = { owned: null, toldMissing: new Set<string>(), isNew: false }
    const nothingYet = { initial: new Map(), identity: new Map(), ...told }
    return { pipeline, runtime, sources, sinks, ...nothingYet, close }
  } catch (error) {
    await close().catch(() => {}) // why it could not be opened says more
    throw error
  }
}

/** Closes each, also where one before it cannot be closed; throws what the first such one threw. */
async function closeAll(opened: readonly { close(): Promise<void> }[]): Promise<void> {
  const failures: unknown[] = []
  for (const each of opened) await each.close().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}

/** Where all sources end now. */
export async function latestPosition(session: Session): Promise<Position> {
  return merged(session, (source) => source.latest())
}

/**
 * Where reading begins for partitions without a position. A partition keeps the beginning that was first seen, so that
 * records which arrive between two looks are not taken for read. Whether a source is another one than at the last look, or
 * gone.
 */
export async function refreshInitial(session: Session): Promise<boolean> {
  const before = session.identity
  const held = session.initial.size === 0 ? (await sinkPositions(session)).flatMap(({ position }) => [...position]) : []
  const now = new Map<string, bigint>()
  const moving: string[] = []
  const readBy = new Map<string, string>()
  for (const [name, source] of session.sources) {
    const start = await source.start(new Map(held))
    for (const [partition, next] of start) {
      if (readBy.has(partition)) throw readTwice(session.pipeline.name, partition, readBy.get(partition)!, name)
      readBy.set(partition, name)
      now.set(partition, next)
    }
    if (source.startMoves === true) moving.push(...start.keys())
  }
  const identity = await merged(session, async (source) => (await source.identity?.()) ?? new Map())
  const initial = new Map([...now, ...session.initial, ...identity])
  for (const partition of moving) initial.set(startPartition(partition), initial.get(partition)!)
  session.identity = identity
  session.initial = initial
  return (
    replacedSources(before, identity).length > 0 || [...before.keys()].some((partition) => !identity.has(partition))
  )
}

/** One position cannot say how far each of them is. */
function readTwice(pipeline: string, partition: string, first: string, second: string): MillraceError {
  return new MillraceError(
    'DEFINITION_INVALID',
    `pipeline ${pipeline}: sources ${first} and ${second} both read ${partition} (choose topics or tables so that each is read by one source only)`,
  )
}

/** Takes over where the first batch of a partition began, as sinks hold it: another process may have been first. */
export function adoptStarts(session: Session, sinks: readonly SinkPosition[]): void {
  const initial = new Map(session.initial)
  for (const { position } of sinks)
    for (const [partition, at] of position) {
      const started = startedPartition(partition)
      if (started !== null) initial.set(started, at).set(partition, at)
    }
  session.initial = initial
}

/** Takes hold of our share of the partitions; whether it is, or may be, another one than in the turn before. */
export async function holdShare(session: Session): Promise<boolean> {
  const before = session.owned
  const all = new Set<string>()
  let shared = false
  for (const source of session.sources.values()) {
    const held = source.shape === 'records' && source.share !== undefined ? await source.share.hold() : null
    shared ||= held !== null
    for (const partition of held ?? (await source.latest()).keys()) all.add(partition)
  }
  session.owned = shared ? all : null
  if (!shared) return false
  return before === null || before.size !== all.size || [...all].some((partition) => !before.has(partition))
}

/** Lets partitions go to others. */
export function releaseShare(session: Session): void {
  for (const source of session.sources.values()) if (source.shape === 'records') source.share?.release()
}

/** Whether a partition is ours to read in this turn. */
export function isOwned({ owned }: Pick<Session, 'owned'>, sourcePartition: string): boolean {
  return owned === null || owned.has(startedPartition(sourcePartition) ?? sourcePartition)
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

/** What sinks hold of the partitions that are ours: another process may be in the middle of a batch of the others. */
export function ownedPositions(session: Session, sinks: readonly SinkPosition[]): SinkPosition[] {
  return sinks.map(({ position, fingerprint }) => ({
    position: new Map([...position].filter(([partition]) => isOwned(session, partition))),
    fingerprint,
  }))
}

/** What one batch is to read. */
export interface PlannedRanges {
  /** By source name. */
  readonly bySource: ReadonlyMap<string, readonly Range[]>
  readonly all: readonly Range[]
  /** Records from the position to the source's end, this batch included. */
  readonly lagRecords: number
  /** By source, what those are. */
  readonly available: readonly Available[]
  /** Parts of what is to be read that are gone and passed over. */
  readonly missing: readonly Range[]
}

/** The next ranges from `position` towards `end`, cut to the limits; null when there is nothing to read. */
export async function planRanges(session: Session, position: Position, end: Position): Promise<PlannedRanges | null> {
  const bySource = new Map<string, Range[]>()
  const missing: Range[] = []
  const everything: Available[] = []
  for (const [name, source] of session.sources) {
    const mine = await source.latest()
    const own = new Map([...end].filter(([partition]) => mine.has(partition) && isOwned(session, partition)))
    const available = availableRanges(position, session.initial, own)
    const counts = await Promise.all(available.map((range) => source.count(range)))
    everything.push({ shape: source.shape, ranges: available, counts })
    const shares = shareLimits(counts, session.pipeline.limits)
    const cut = await Promise.all(available.map((range, i) => source.cut(range, shares[i]!)))
    const ranges = cut.filter((range) => range.start < range.end)
    bySource.set(name, ranges)
    missing.push(...(await missingOf(source, ranges)))
  }
  const all = [...bySource.values()].flat()
  const lagRecords = everything.flatMap(({ counts }) => counts).reduce((sum, n) => sum + n, 0)
  return all.length === 0 ? null : { bySource, all, lagRecords, available: everything, missing }
}

/**
 * Empty ranges that a commit carries beside those read: what the sources are, and where partitions begin that have no
 * position yet, so that a start at "latest" or at a time is settled by the first commit.
 */
export function pinnedRanges(
  session: Session,
  draft: { readonly position: Position; readonly replay: boolean },
  read: readonly Range[],
): Range[] {
  const named = new Set(read.map(({ sourcePartition }) => sourcePartition))
  const begins = [...session.initial].filter(
    ([partition]) =>
      !draft.replay &&
      !draft.position.has(startedPartition(partition) ?? partition) &&
      !draft.position.has(partition) &&
      !named.has(partition) &&
      isOwned(session, partition),
  )
  const pinned = new Map([...begins, ...session.identity])
  return [...pinned].map(([sourcePartition, at]) => ({ sourcePartition, start: at, end: at }))
}

/**
 * Whether a commit is due although there is nothing to read. `must`: in a run that ends, partitions begin where the next run would not begin
 * any more, and no sink has been told. `may`: a sink knows nothing of the pipeline yet, and its tables should be there.
 */
export function tellsWithoutRows(session: Session, draft: Parameters<typeof pinnedRanges>[1]): 'must' | 'may' | null {
  const ends = session.pipeline.trigger.kind !== 'every'
  if (!ends && !session.isNew) return null
  const pinned = pinnedRanges(session, draft, [])
  if (ends && pinned.some(({ sourcePartition }) => startedPartition(sourcePartition) !== null)) return 'must'
  return session.isNew && pinned.length > 0 ? 'may' : null
}

async function missingOf(source: Source, ranges: readonly Range[]): Promise<Range[]> {
  if (source.shape !== 'records' || source.missing === undefined) return []
  const found: Range[] = []
  for (const range of ranges) {
    const missing = await source.missing(range)
    if (missing !== null) found.push(missing)
  }
  return found
}

/** `position` moved on to the ends of `ranges`. */
export function advance(position: Position, ranges: readonly Range[]): Position {
  return new Map([...position, ...ranges.map((range) => [range.sourcePartition, range.end] as const)])
}
