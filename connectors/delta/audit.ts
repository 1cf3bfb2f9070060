/**
 * Whether the ranges that a table's commits covered tile: per pipeline and source partition each begins where the one
 * before it ended. Told from the log's entries alone, by `commitInfo.millrace` and the `txn` actions. Pure.
 */
import { appId, partsOfAppId } from '../../checkpoints/position.ts'
import type { Range } from '../../engine/contracts.ts'
import type { CommitInfo, Txn } from './actions.ts'
import { type Chain, extendChain, newChain, rangeFindings, rewindChain, sumRows } from './audit-chain.ts'
import type { Finding } from './audit-finding.ts'
import { commitInfoOf } from './log-entry.ts'
import { type Span, spanBetween } from './spans.ts'
import { rowsOf } from './statistics.ts'
import type { LogEntry } from './table.ts'
import { undoOperation } from './undo-batch.ts'

/** What the commits of one pipeline did together. */
export interface PipelineCommits {
  readonly commits: number
  /** Null if one of them did not count its rows. */
  readonly rows: bigint | null
}

/** What the log says. */
export interface LogAudit {
  /** The first and the last version that it speaks of. Before `from` nothing is proven: those entries are gone. */
  readonly from: bigint
  readonly to: bigint
  /** By pipeline, then source partition. */
  readonly chains: readonly Chain[]
  readonly pipelines: ReadonlyMap<string, PipelineCommits>
  /** By the version that shows them. */
  readonly findings: readonly Finding[]
}

/** The newest snapshot, as far as it matters. */
export interface Positions {
  readonly version: bigint
  readonly txns: ReadonlyMap<string, Pick<Txn, 'version'>>
}

/** An audit under way. It holds chains and findings, no entries. */
export interface Auditing {
  /** Entries in ascending order of version. */
  add(entry: LogEntry): void
  /** What all entries up to the snapshot say; nothing may be added afterwards. */
  finish(snapshot: Positions): LogAudit
}

type Batch = NonNullable<CommitInfo['millrace']>

interface State {
  first: bigint | null
  newest: bigint | null
  /** By appId. */
  readonly chains: Map<string, Chain>
  readonly pipelines: Map<string, PipelineCommits>
  /** The newest `txn` per appId without a range, while its pipeline is not known to be one. */
  readonly strays: Map<string, Stray>
  readonly findings: Finding[]
}

interface Stray {
  readonly version: bigint
  readonly txn: Txn
}

/** Begins an audit. Other writers' entries count for nothing, unless they move the position of a pipeline. */
export function openAudit(): Auditing {
  const state: State = {
    first: null,
    newest: null,
    chains: new Map(),
    pipelines: new Map(),
    strays: new Map(),
    findings: [],
  }
  return {
    add: (entry) => addEntry(state, entry),
    finish: (snapshot) => finish(state, snapshot),
  }
}

function addEntry(state: State, entry: LogEntry): void {
  const { version } = entry
  if (state.newest !== null && version !== state.newest + 1n) state.findings.push(missingEntries(state.newest, version))
  state.first ??= version
  state.newest = version
  const batch = commitInfoOf(entry)?.millrace
  const ranges = batch === undefined ? [] : rangesOf(batch)
  checkTxns(state, entry, new Map(ranges.map((range) => [appId(batch!.pipeline, range.sourcePartition), range])))
  if (batch !== undefined) addBatch(state, batch.pipeline, ranges, entry)
}

function missingEntries(before: bigint, after: bigint): Finding {
  return {
    kind: 'missing-entry',
    pipeline: null,
    sourcePartition: null,
    versions: [before, after],
    span: { start: before + 1n, end: after },
    message: 'log entries between others are gone',
  }
}

/** What is no integer counts as no range: its `txn` then has none. */
function rangesOf({ ranges }: Batch): Range[] {
  return Object.entries(ranges).flatMap(([sourcePartition, [start, end]]) =>
    isInteger(start) && isInteger(end) ? [{ sourcePartition, start: BigInt(start), end: BigInt(end) }] : [],
  )
}

function isInteger(text: string): boolean {
  return /^-?\d+$/.test(text)
}

// ---------------------------------------------------------------------------------------------- positions

function checkTxns(state: State, entry: LogEntry, ranges: ReadonlyMap<string, Range>): void {
  const { version, actions } = entry
  const goesBack = ['RESTORE', undoOperation].includes(commitInfoOf(entry)?.operation ?? '')
  const moved = new Set<string>()
  for (const action of actions) {
    if (!('txn' in action)) continue
    const { txn } = action
    const range = ranges.get(txn.appId)
    moved.add(txn.appId)
    if (goesBack) rewind(state, { version, txn })
    else if (range === undefined) addStray(state, { version, txn })
    else if (txn.version !== range.end) state.findings.push(otherEnd(version, txn, range.end))
  }
  for (const [id, { start, end }] of ranges)
    if (start !== end && !moved.has(id))
      state.findings.push(txnMismatch(id, { version, span: spanBetween(start, end), message: 'the range has no txn' }))
}

/** Rows that came after the position went with it. */
function rewind({ chains }: State, { version, txn }: Stray): void {
  const chain = chains.get(txn.appId)
  if (chain !== undefined) chains.set(txn.appId, rewindChain(chain, txn.version, version))
}

function addStray(state: State, stray: Stray): void {
  const { appId: id } = stray.txn
  if (isOfPipeline(state, id)) state.findings.push(strayFinding(stray, state.chains.get(id)?.position))
  else state.strays.set(id, stray)
}

function otherEnd(version: bigint, txn: Txn, end: bigint): Finding {
  const message = `the txn is at ${txn.version}, the range ends at ${end}`
  return txnMismatch(txn.appId, { version, span: spanBetween(end, txn.version), message })
}

function strayFinding({ version, txn }: Stray, position: bigint | undefined): Finding {
  const message = `the position was set to ${txn.version} without a range`
  return txnMismatch(txn.appId, { version, span: spanBetween(position ?? txn.version, txn.version), message })
}

function txnMismatch(
  id: string,
  { version, ...found }: { readonly version: bigint; readonly span: Span; readonly message: string },
): Finding {
  return { kind: 'txn-mismatch', ...partsOfAppId(id), versions: [version], ...found }
}

function isOfPipeline({ pipelines }: State, id: string): boolean {
  return id.includes('/') && pipelines.has(partsOfAppId(id).pipeline)
}

// ---------------------------------------------------------------------------------------------- ranges

function addBatch(state: State, pipeline: string, ranges: readonly Range[], entry: LogEntry): void {
  const { version } = entry
  const rows = rowsWritten(entry)
  const total = state.pipelines.get(pipeline) ?? { commits: 0, rows: 0n }
  state.pipelines.set(pipeline, { commits: total.commits + 1, rows: sumRows(total.rows, rows) })
  const shared = ranges.filter(({ start, end }) => start < end).length > 1
  for (const range of ranges) {
    const id = appId(pipeline, range.sourcePartition)
    const chain = state.chains.get(id) ?? newChain(pipeline, range, version)
    state.findings.push(...rangeFindings(chain, range, version))
    const commitRows = range.start < range.end ? rows : 0n
    const own = shared && commitRows !== 0n ? null : commitRows
    state.chains.set(id, extendChain(chain, { range, version, rows: own, commitRows }))
  }
}

/**
 * Rows that a commit wrote: those of the files that it added, or, since files that were rewritten also hold rows that
 * stayed as they were, what a merge says it changed. Null where the writer does not say.
 */
function rowsWritten(entry: LogEntry): bigint | null {
  if (entry.actions.some((action) => 'remove' in action && action.remove.dataChange)) return rowsMerged(entry)
  let rows: bigint | null = 0n
  for (const action of entry.actions)
    if ('add' in action && action.add.dataChange) rows = sumRows(rows, rowsOf(action.add))
  return rows
}

function rowsMerged(entry: LogEntry): bigint | null {
  const metrics = commitInfoOf(entry)?.operationMetrics ?? {}
  const counts = [metrics.numTargetRowsInserted, metrics.numTargetRowsUpdated, metrics.numTargetRowsDeleted]
  const known = counts.filter((count) => count !== undefined && isInteger(count))
  return known.length === 0 ? null : known.reduce((rows, count) => rows + BigInt(count!), 0n)
}

// ---------------------------------------------------------------------------------------------- the end

function finish(state: State, snapshot: Positions): LogAudit {
  const { chains, pipelines, findings } = state
  const from = state.first ?? snapshot.version
  for (const [id, stray] of state.strays)
    if (isOfPipeline(state, id)) findings.push(strayFinding(stray, chains.get(id)?.from))
  for (const chain of chains.values()) findings.push(...snapshotFindings(chain, snapshot))
  for (const [id, txn] of snapshot.txns)
    if (isOfPipeline(state, id) && !chains.has(id)) addUnseen(state, { version: snapshot.version, id, txn })
  return {
    from,
    to: snapshot.version,
    chains: [...chains.values()].sort(byName),
    pipelines,
    findings: findings.sort((a, b) => order(a.versions.at(-1)!, b.versions.at(-1)!)),
  }
}

function snapshotFindings(chain: Chain, { version, txns }: Positions): Finding[] {
  const { pipeline, sourcePartition, position } = chain
  const stored = txns.get(appId(pipeline, sourcePartition))?.version
  if (stored === position) return []
  const span = spanBetween(stored ?? chain.from, position)
  const message = `the snapshot's position is ${stored ?? 'lost'}, the last range ends at ${position}`
  return [{ kind: 'snapshot-mismatch', pipeline, sourcePartition, versions: [chain.version, version], span, message }]
}

/** A position without a range: its commits are older than what is left of the log, or there never were any. */
function addUnseen(
  { first, chains, findings }: State,
  { version, id, txn }: { readonly version: bigint; readonly id: string; readonly txn: Pick<Txn, 'version'> },
): void {
  const position = txn.version
  const range = { ...partsOfAppId(id), start: position, end: position }
  chains.set(id, newChain(range.pipeline, range, version))
  if (first !== 0n) return
  const message = `the snapshot's position is ${position}, and no range led there`
  const span = { start: position, end: position }
  findings.push({ kind: 'snapshot-mismatch', ...partsOfAppId(id), versions: [version], span, message })
}

function byName(left: Chain, right: Chain): number {
  if (left.pipeline !== right.pipeline) return left.pipeline < right.pipeline ? -1 : 1
  return left.sourcePartition < right.sourcePartition ? -1 : 1
}

function order(left: bigint, right: bigint): number {
  return left < right ? -1 : left > right ? 1 : 0
}
