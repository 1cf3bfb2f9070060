/** Rules about a log entry as a whole, and about what it does to the table (PROTOCOL.md, "Actions", "Action Reconciliation"). */
import { fileKey } from '../replay.ts'
import { checkShape } from './action-shapes.ts'
import { checkCommitInfo } from './commit-info-rules.ts'
import { hasFeature } from './features.ts'
import { checkFile } from './file-rules.ts'
import type { Report } from './finding.ts'
import { applyActions, type LogState, liveKey, logicalKey, pathOf, rowCountOf } from './log-state.ts'
import { checkChange, checkNeeds, viewOf } from './metadata-rules.ts'
import { checkProtocol } from './protocol-rules.ts'
import { type Fields, fieldOf, type RawAction, textOf } from './raw-action.ts'
import { checkRowIds } from './row-tracking-rules.ts'
import type { RuleId } from './rules.ts'
import { cardinalityOf } from './vector-rules.ts'

/** An entry, and the table that it changes. */
export interface EntryOptions {
  readonly version: bigint
  readonly actions: readonly RawAction[]
  /** Before the entry; after the call, after it. */
  readonly state: LogState
  readonly report: Report
}

/** Checks an entry and takes it into the state. */
export function checkEntry({ version, actions, state, report }: EntryOptions): void {
  const shapes = actions.map((action) => checkShape(action, 'entry', report))
  if (shapes.includes('broken')) state.complete = false
  const whole = actions.filter((_, i) => shapes[i] === 'whole')
  const of = (kind: string): Fields[] => whole.filter((action) => action.kind === kind).map(({ fields }) => fields)
  checkTwice(whole, report)
  if (version === 0n)
    for (const kind of ['protocol', 'metaData'])
      if (!actions.some((action) => action.kind === kind)) report('first-entry-incomplete', `there is no ${kind}`)
  const before = { protocol: state.protocol, table: state.table }
  const [protocol, metaData] = [of('protocol').at(-1), of('metaData').at(-1)]
  const then = {
    protocol: protocol ?? before.protocol,
    table: metaData === undefined ? before.table : viewOf(metaData, report),
  }
  if (protocol !== undefined) checkProtocol(protocol, before.protocol, report)
  if ((protocol ?? metaData) !== undefined && then.protocol !== null && then.table !== null)
    checkNeeds(then.table, then.protocol, report)
  for (const action of whole) if (['add', 'remove', 'cdc'].includes(action.kind)) checkFile(action, then, report)
  if (state.complete) {
    checkAgainst(state, { adds: of('add'), removes: of('remove') }, report)
    checkNewVectors(state, then, of('add'), report)
  }
  if (metaData !== undefined && before.table !== null && then.table !== null && state.complete)
    checkChange(before.table, then.table, filesStay(state, of('remove')), report)
  checkAppendOnly(before.table?.configuration, then, of('remove'), report)
  checkTxns(then.table?.configuration, of('txn'), report)
  if (of('domainMetadata').length > 0 && then.protocol !== null && !hasFeature(then.protocol, 'domainMetadata'))
    report('feature-not-listed', 'the protocol lacks domainMetadata, and there is a domainMetadata')
  state.timestamp = checkCommitInfo({ actions, then, last: state.timestamp }, report)
  checkRowIds(state, whole, then.protocol, report)
  applyActions(state, whole)
  state.table = then.table
}

/** PROTOCOL.md, "Add File and Remove File": lines are in no order, so what two of them say of one thing is undefined. */
function checkTwice(actions: readonly RawAction[], report: Report): void {
  const seen = new Set<string>()
  for (const { kind, fields, at } of actions) {
    const identity = Object.hasOwn(identities, kind) ? identities[kind] : undefined
    if (identity === undefined) continue
    const name = identity.of(fields)
    if (seen.has(`${kind} ${name}`)) report(identity.rule, `${at}: there is a ${kind}${name && ` of ${name}`} already`)
    seen.add(`${kind} ${name}`)
  }
}

interface Identity {
  readonly rule: RuleId
  readonly of: (fields: Fields) => string
}

const identities: Readonly<Record<string, Identity>> = {
  metaData: { rule: 'metadata-twice', of: () => '' },
  protocol: { rule: 'protocol-twice', of: () => '' },
  txn: { rule: 'txn-twice', of: (txn) => textOf(txn, 'appId') ?? '' },
  domainMetadata: { rule: 'domain-twice', of: (domain) => textOf(domain, 'domain') ?? '' },
  add: { rule: 'add-twice', of: pathOf },
  remove: { rule: 'remove-twice', of: pathOf },
  cdc: { rule: 'cdc-twice', of: pathOf },
}

interface FileActions {
  readonly adds: readonly Fields[]
  readonly removes: readonly Fields[]
}

/** What files of an entry make of the files that are live. */
function checkAgainst(state: LogState, { adds, removes }: FileActions, report: Report): void {
  const removed = new Set(removes.map(logicalKey))
  for (const remove of removes) {
    const [path, key] = [pathOf(remove), logicalKey(remove)]
    const live = liveKey(state, path)
    if (!state.files.has(key))
      report('remove-not-live', `${key} is removed, and ${live === null ? 'is not live' : `live is ${live}`}`)
  }
  for (const add of adds) {
    const [path, key] = [pathOf(add), logicalKey(add)]
    if (removed.has(key)) report('add-and-remove', `${key} is added and removed`)
    const live = liveKey(state, path)
    if (live !== null && live !== key && !removed.has(live))
      report('add-without-remove', `${key} is added while ${live} is live and is not removed`)
  }
  checkRearrangement(state, { adds, removes }, report)
}

/** PROTOCOL.md, "Deletion Vectors". What was there before, or is restored, may stay. */
function checkNewVectors(state: LogState, then: Then, adds: readonly Fields[], report: Report): void {
  if (then.table === null || then.table.configuration['delta.enableDeletionVectors'] === 'true') return
  if (then.protocol === null || !hasFeature(then.protocol, 'deletionVectors')) return // told of each of them
  for (const add of adds) {
    const key = logicalKey(add)
    if (key !== pathOf(add) && !state.files.has(key) && !state.tombstones.has(key))
      report('vector-not-enabled', `${key} is new, and delta.enableDeletionVectors is not true`)
  }
}

/** PROTOCOL.md, "Add File and Remove File": with `dataChange` false rows only move. */
function checkRearrangement(state: LogState, { adds, removes }: FileActions, report: Report): void {
  if (adds.length + removes.length === 0 || [...adds, ...removes].some((file) => file.dataChange !== false)) return
  const gone = new Set([...removes, ...adds].map(logicalKey).filter((key) => state.files.has(key)))
  const [before, after] = [sum([...gone].map((key) => state.files.get(key)!)), sum(adds)]
  if (before !== null && after !== null && before !== after)
    report('rearrangement-changes-rows', `dataChange is false, and ${before} rows became ${after}`)
}

/** Live rows of files; null if not all of them say. */
function sum(files: readonly Fields[]): bigint | null {
  let rows = 0n
  for (const file of files) {
    const [all, deleted] = [rowCountOf(file), cardinalityOf(file)]
    if (all === null || deleted === null) return null
    rows += all - deleted
  }
  return rows
}

function filesStay({ files }: LogState, removes: readonly Fields[]): boolean {
  return files.size > new Set(removes.map(logicalKey).filter((key) => files.has(key))).size
}

type Then = Parameters<typeof checkFile>[1]

/** PROTOCOL.md, "Append-only Tables". An entry that ends or begins it is let pass. */
function checkAppendOnly(before: Fields | undefined, then: Then, removes: readonly Fields[], report: Report): void {
  const isOn = (configuration: Fields | undefined) => configuration?.['delta.appendOnly'] === 'true'
  if (!isOn(before) || !isOn(then.table?.configuration) || then.protocol === null) return
  if (!hasFeature(then.protocol, 'appendOnly')) return
  const changing = removes.find((remove) => remove.dataChange === true)
  if (changing !== undefined) report('append-only-remove', `${fileKey(textOf(changing, 'path')!)} is removed`)
}

function checkTxns(configuration: Fields | undefined, txns: readonly Fields[], report: Report): void {
  if (configuration?.['delta.setTransactionRetentionDuration'] === undefined) return
  for (const txn of txns)
    if (fieldOf(txn, 'lastUpdated') === undefined)
      report('txn-without-last-updated', `txn of ${textOf(txn, 'appId')} has no lastUpdated`)
}
