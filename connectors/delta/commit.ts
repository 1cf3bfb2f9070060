/** The optimistic commit: put the next log entry if it is absent, or see who was faster and whether that matters. */
import type { Clock, Ids, ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { Action, CommitInfo } from './actions.ts'
import { findConflict } from './conflict.ts'
import { commitInfoOf, entryKey, printLogEntry } from './log-entry.ts'
import { assertAppendOnly, assertWritable } from './protocol.ts'
import { replay, type TableState } from './replay.ts'
import { readNewEntries } from './snapshot.ts'
import type { LogEntry, Transaction, TransactionResult } from './table.ts'
import { assertTransaction } from './transaction.ts'

/** What commits go through: the table's place, and what racing and retrying needs. */
export interface Committer {
  readonly store: ObjectStore
  readonly table: string
  readonly clock: Clock
  readonly ids: Ids
  /** Told the state after a commit of ours, or a newer one seen on the way. */
  readonly seen: (state: TableState) => void
}

/** Races lost before a transaction gives up, and answers lost in a row before the error is passed on. */
const maxTries = 50
const maxLostAnswers = 5
/** Bounds of the wait before the next try: doubled each time, then multiplied with a random factor below 1. */
const firstWaitMs = 4
const longestWaitMs = 500

/** The table's protocol or its settings do not allow a transaction: nothing of it was written, and nothing will be. */
export class CommitNotAllowed extends MillraceError {}

/**
 * Commits a transaction once. Before each try `admits` is asked of the state that the entry would stand on; after a
 * lost race the conflict rules are asked as well. Whatever a failed put leaves behind is settled by reading the version
 * back and comparing `txnId`. Throws {@link CommitNotAllowed} and `SINK_FAILED` for a malformed transaction; after any other
 * error the outcome is unknown.
 */
export async function commitTransaction(
  committer: Committer,
  transaction: Transaction,
  snapshot: TableState | null,
): Promise<TransactionResult> {
  assertTransaction(transaction)
  let base = snapshot
  let lostAnswers = 0
  for (let tries = 1; tries <= maxTries; tries++) {
    if (base !== null && !transaction.admits(base)) return { kind: 'refused', head: base }
    assertAllowed(committer.table, base, transaction.actions)
    const entry = nextEntry(committer, transaction, base)
    const state = replay(committer.table, base, [entry]) // before the put: nothing of ours may fail after it
    const put = await putEntry(committer, entry)
    if (put.kind === 'created') {
      committer.seen(state)
      faultPoint('after-log-commit')
      return { kind: 'committed', version: entry.version }
    }
    await waitAfter(committer, tries) // before looking: what is known before a wait is old after it, and the next put as good as lost
    const found = await catchUp(committer, transaction, base)
    if (found.kind === 'settled') return found.result
    if (put.kind === 'unknown') {
      lostAnswers += 1
      if (lostAnswers >= maxLostAnswers || tries === maxTries || isFinal(put.error)) throw put.error
    } else lostAnswers = 0
    base = found.base
  }
  return { kind: 'conflict', reason: `other writers were faster ${maxTries} times` }
}

type PutResult = { readonly kind: 'created' | 'exists' } | { readonly kind: 'unknown'; readonly error: unknown }

async function putEntry({ store, table }: Committer, entry: LogEntry): Promise<PutResult> {
  const body = printLogEntry(entry.actions)
  faultPoint('before-log-commit')
  try {
    // the commit point: whoever creates this object has written the version
    const created = await store.putIfAbsent(entryKey(table, entry.version), body)
    return { kind: created ? 'created' : 'exists' }
  } catch (error) {
    return { kind: 'unknown', error }
  }
}

type Found =
  | { readonly kind: 'settled'; readonly result: TransactionResult }
  | { readonly kind: 'open'; readonly base: TableState | null }

/** What was written since `base`: our own entry, something that ends the transaction, or a base for the next try. */
async function catchUp(committer: Committer, transaction: Transaction, base: TableState | null): Promise<Found> {
  const winners = await readNewEntries(committer, base?.version ?? -1n)
  const own = winners.find((winner) => commitInfoOf(winner)?.txnId === transaction.txnId)
  // not replayed: what came after may be more than we can read, and that takes nothing from our commit
  if (own !== undefined) return settled({ kind: 'already-committed', version: own.version })
  if (winners.length === 0) return { kind: 'open', base }
  const state = replay(committer.table, base, winners)
  committer.seen(state)
  if (base === null) return settled({ kind: 'conflict', reason: 'another writer created the table' })
  // asked before the conflict rules: being fenced is final, a conflict is worth another run
  if (!transaction.admits(state)) return settled({ kind: 'refused', head: state })
  const reason = findConflict(transaction, winners)
  return reason === null ? { kind: 'open', base: state } : settled({ kind: 'conflict', reason })
}

function settled(result: TransactionResult): Found {
  return { kind: 'settled', result }
}

function nextEntry(committer: Committer, transaction: Transaction, base: TableState | null): LogEntry {
  const commitInfo = describe(transaction, committer.clock.nowMs())
  return { version: (base?.version ?? -1n) + 1n, actions: [{ commitInfo }, ...transaction.actions] }
}

function describe(transaction: Transaction, nowMs: number): CommitInfo {
  const { snapshot, actions, reads, operation, operationParameters, operationMetrics, txnId, millrace } = transaction
  return {
    timestamp: BigInt(Math.floor(nowMs)),
    operation,
    operationParameters: operationParameters ?? {},
    ...(snapshot === null ? {} : { readVersion: snapshot.version }),
    // other writers skip their checks against blind appends: it must not be said of anything else
    isBlindAppend: reads.kind === 'blind-append' && !actions.some((action) => 'remove' in action || 'cdc' in action),
    operationMetrics: operationMetrics ?? {},
    engineInfo: 'millrace',
    txnId,
    ...(millrace === undefined ? {} : { millrace }),
  }
}

function assertAllowed(table: string, base: TableState | null, actions: readonly Action[]): void {
  try {
    assertKept(table, base, actions)
  } catch (cause) {
    if (!(cause instanceof MillraceError)) throw cause
    throw new CommitNotAllowed(cause.code, cause.message, { context: cause.context, cause })
  }
}

function assertKept(table: string, base: TableState | null, actions: readonly Action[]): void {
  let protocol = base?.protocol
  let metaData = base?.metaData
  if (base !== null) assertWritable(table, base.protocol, base.metaData)
  for (const action of actions) {
    if ('protocol' in action) protocol = action.protocol
    if ('metaData' in action) metaData = action.metaData
  }
  if (protocol === undefined || metaData === undefined)
    throw new MillraceError('TABLE_NOT_FOUND', `delta table ${table} does not exist (its first commit must create it)`)
  assertWritable(table, protocol, metaData)
  if (base !== null) assertAppendOnly(table, base.metaData, actions)
}

/** Whether the store said that trying again is of no use. */
function isFinal(error: unknown): boolean {
  return error instanceof MillraceError && !error.retryable
}

async function waitAfter({ clock, ids }: Committer, tries: number): Promise<void> {
  const ceiling = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(tries, 20))
  await clock.sleep(Math.floor(ids.random() * ceiling))
}
