/** Rules about checkpoints: what they hold is what the entries add up to (PROTOCOL.md, "Checkpoints"). */
import { MillraceError, messageOf } from '../../../engine/errors.ts'
import { int64, parseJson } from '../int64-json.ts'
import { retentionMs } from '../retention.ts'
import { isObject } from '../schema.ts'
import { checkPath, checkShape } from './action-shapes.ts'
import { type CheckpointRows, type RowReader, readRows } from './checkpoint-rows.ts'
import { hasFeature } from './features.ts'
import type { Report } from './finding.ts'
import type { CheckpointFiles, LogFolder } from './log-folder.ts'
import { applyActions, emptyState, type LogState, logicalKey, pathOf, rowCountOf } from './log-state.ts'
import { viewOf } from './metadata-rules.ts'
import { type Fields, fieldOf, objectOf, type RawAction, textOf } from './raw-action.ts'
import { cardinalityOf } from './vector-rules.ts'

/** What a checkpoint turned out to be. */
export interface ReadCheckpoint {
  readonly state: LogState
  /** How many actions are in it, sidecars included. */
  readonly actions: number
  readonly adds: number
  /** Size of its sidecars. */
  readonly sidecarBytes: number
}

/** What checkpoints are read with, and the folder that they are in. */
export interface CheckpointOptions extends RowReader {
  readonly table: string
  readonly folder: LogFolder
}

/** Reads a whole checkpoint and checks it by itself; null if it cannot be read. */
export async function checkAlone(
  options: CheckpointOptions,
  { version, kind, keys }: CheckpointFiles,
): Promise<ReadCheckpoint | null> {
  const { report } = options
  try {
    const parts: CheckpointRows[] = []
    for (const key of keys) parts.push(await readRows(options, key))
    const actions = parts.flatMap((part) => part.actions)
    parts.push(...(await readSidecars(options, actions)))
    const all = parts.flatMap((part) => part.actions)
    const whole = all.filter((action) => checkShape(action, 'checkpoint', report) === 'whole')
    checkV2(whole, { version, kind }, report)
    checkOnce(whole, report)
    checkFiles(whole, report)
    const state = stateOf(whole)
    checkStatisticsKept(state, parts, report)
    for (const [what, value] of [
      ['protocol', state.protocol],
      ['metaData', state.table],
    ] as const)
      if (value === null)
        report(what === 'protocol' ? 'checkpoint-protocol' : 'checkpoint-metadata', `there is no ${what}`)
    const adds = whole.filter((action) => action.kind === 'add').length
    const sidecarBytes = sidecarsOf(actions).reduce((sum, name) => sum + (options.folder.sidecars.get(name) ?? 0), 0)
    return { state, actions: all.length, adds, sidecarBytes }
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'STORAGE_FAILED') throw error // says nothing of the file
    report('checkpoint-unreadable', messageOf(error))
    return null
  }
}

/** PROTOCOL.md, "Sidecar Files": they all lie in one folder, however they are named. */
function sidecarsOf(actions: readonly RawAction[]): string[] {
  const paths = actions.filter(({ kind }) => kind === 'sidecar').map(({ fields }) => textOf(fields, 'path'))
  return paths.filter((path) => path !== undefined).map((path) => path.split('/').at(-1)!)
}

async function readSidecars(options: CheckpointOptions, actions: readonly RawAction[]): Promise<CheckpointRows[]> {
  const found: CheckpointRows[] = []
  for (const name of sidecarsOf(actions))
    if (options.folder.sidecars.has(name))
      found.push(await readRows(options, `${options.table}/_delta_log/_sidecars/${name}`))
    else options.report('checkpoint-v2', `its sidecar ${name} is missing`)
  return found
}

/** PROTOCOL.md, "Checkpoint Schema" and "Writer Version Requirements". */
function checkStatisticsKept(
  { protocol, table, files }: LogState,
  parts: readonly CheckpointRows[],
  report: Report,
): void {
  if (protocol === null || table === null || Number(fieldOf(protocol, 'minWriterVersion')) < 3) return
  const asked = (name: string) => String(table.configuration[`delta.checkpoint.${name}`]).toLowerCase()
  const texts = [...files.values()].some((add) => fieldOf(add, 'stats') !== undefined)
  const structs = parts.some((part) => part.structs)
  if (texts && asked('writeStatsAsJson') === 'false') report('checkpoint-statistics', 'it has stats as text')
  if (texts && !structs && asked('writeStatsAsStruct') === 'true')
    report('checkpoint-statistics', 'it has no stats as struct')
}

function checkV2(actions: readonly RawAction[], of: Pick<CheckpointFiles, 'version' | 'kind'>, report: Report): void {
  const [metadata] = actions.filter(({ kind }) => kind === 'checkpointMetadata')
  const protocol = actions.find(({ kind }) => kind === 'protocol')?.fields
  const sidecars = actions.some(({ kind }) => kind === 'sidecar')
  if (metadata === undefined) {
    if (of.kind === 'v2' || sidecars) report('checkpoint-v2', 'it has no checkpointMetadata')
  } else if (int64(metadata.fields.version) !== of.version)
    report('checkpoint-v2', `its checkpointMetadata names version ${String(metadata.fields.version)}`)
  if (protocol === undefined) return
  const listed = hasFeature(protocol, 'v2Checkpoint')
  if ((of.kind === 'v2' || metadata !== undefined) && !listed)
    report('checkpoint-v2', 'the protocol lacks v2Checkpoint')
  if (of.kind === 'parts' && listed) report('checkpoint-v2', 'it is in parts, and the protocol has v2Checkpoint')
}

function checkOnce(actions: readonly RawAction[], report: Report): void {
  const seen = new Set<string>()
  for (const { kind, fields, at } of actions) {
    const name = nameOf(kind, fields)
    if (name === null) continue
    if (seen.has(name)) report('checkpoint-entry-twice', `${at}: there is another ${name}`)
    seen.add(name)
  }
}

function nameOf(kind: string, fields: Fields): string | null {
  switch (kind) {
    case 'add':
    case 'remove':
      return `file ${logicalKey(fields)}` // a logical file is live or removed, never both
    case 'txn':
      return `txn of ${textOf(fields, 'appId')}`
    case 'domainMetadata':
      return `domainMetadata of ${textOf(fields, 'domain')}`
    case 'protocol':
    case 'metaData':
    case 'checkpointMetadata':
      return kind
    default:
      return null
  }
}

function checkFiles(actions: readonly RawAction[], report: Report): void {
  for (const { kind, fields, at } of actions) {
    if (kind !== 'add' && kind !== 'remove') continue
    checkPath(fields, report)
    if (fields.dataChange !== false)
      report('checkpoint-data-change', `${at}: ${kind} of ${pathOf(fields)} does not have dataChange false`)
  }
}

function stateOf(actions: readonly RawAction[]): LogState {
  const state = emptyState()
  applyActions(state, actions)
  const metaData = actions.find(({ kind }) => kind === 'metaData')?.fields
  // what is wrong with a schema is told of the entry that it came with
  state.table = metaData === undefined ? null : viewOf(metaData, () => {})
  return state
}

/** Holds a checkpoint against the state of its version. */
export function checkAgainstLog(
  checkpoint: ReadCheckpoint,
  log: LogState,
  { modifiedMs }: Pick<CheckpointFiles, 'modifiedMs'>,
  report: Report,
): void {
  const { state } = checkpoint
  if (state.protocol !== null && !sameProtocol(state.protocol, log.protocol))
    report('checkpoint-protocol', 'its protocol is not that of its version')
  if (state.table !== null && !sameMetaData(state.table.metaData, log.table?.metaData ?? null))
    report('checkpoint-metadata', 'its metaData is not that of its version')
  compareFiles(state, log, report)
  compareTombstones(state, log, modifiedMs, report)
  const expiring = log.table?.configuration['delta.setTransactionRetentionDuration'] !== undefined
  compareVersions(state.txns, log.txns, { rule: 'checkpoint-txn', field: 'version', mayLack: expiring }, report)
  compareVersions(
    state.domains,
    log.domains,
    { rule: 'checkpoint-domain', field: 'configuration', mayLack: false },
    report,
  )
}

function compareFiles(state: LogState, log: LogState, report: Report): void {
  for (const [key, add] of log.files) {
    const ours = state.files.get(key)
    if (ours === undefined) report('checkpoint-file-missing', `${key} is live, and is not in it`)
    else {
      const field = differentField(add, ours)
      if (field !== null) report('checkpoint-file-different', `${key} has another ${field} than in the log`)
    }
  }
  for (const key of state.files.keys())
    if (!log.files.has(key)) report('checkpoint-file-extra', `${key} is not live, and is in it`)
}

/** Statistics may be left out, or be kept as a struct; what both have must be the same. */
function differentField(log: Fields, ours: Fields): string | null {
  for (const name of ['size', 'modificationTime', 'baseRowId', 'defaultRowCommitVersion'])
    if (int64(fieldOf(log, name)) !== int64(fieldOf(ours, name))) return name
  if (cardinalityOf(log) !== cardinalityOf(ours)) return 'deletionVector'
  if (!sameValues(objectOf(log, 'partitionValues'), objectOf(ours, 'partitionValues'))) return 'partitionValues'
  const [theirRows, ourRows] = [rowCountOf(log), rowCountOf(ours)]
  return theirRows !== null && ourRows !== null && theirRows !== ourRows ? 'stats' : null
}

function sameValues(a: Fields, b: Fields): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every((name) => (a[name] || null) === (b[name] || null)) // an empty text is null
}

/** Tombstones that had expired when the checkpoint was written may be gone from it. */
function compareTombstones(state: LogState, log: LogState, modifiedMs: number, report: Report): void {
  const oldest = BigInt(Math.floor(modifiedMs)) - retentionOf(log)
  for (const [key, removed] of log.tombstones)
    if (removed !== null && removed > oldest && !state.tombstones.has(key))
      report('checkpoint-tombstone-missing', `${key} was removed, and is not in it`)
  for (const key of state.tombstones.keys())
    if (!log.tombstones.has(key))
      report('checkpoint-tombstone-extra', `${key} is removed in it, and was not in the log`)
}

function retentionOf({ table }: LogState): bigint {
  return retentionMs({ configuration: (table?.configuration ?? {}) as Readonly<Record<string, string>> })
}

interface Comparison {
  readonly rule: 'checkpoint-txn' | 'checkpoint-domain'
  readonly field: string
  readonly mayLack: boolean
}

function compareVersions(
  ours: ReadonlyMap<string, Fields>,
  log: ReadonlyMap<string, Fields>,
  { rule, field, mayLack }: Comparison,
  report: Report,
): void {
  for (const name of new Set([...ours.keys(), ...log.keys()])) {
    const [here, there] = [ours.get(name), log.get(name)].map((fields) => fields && String(fieldOf(fields, field)))
    if (here !== there && !(here === undefined && mayLack))
      report(rule, `${name} is ${here ?? 'not there'}, and ${there ?? 'not there'} in the log`)
  }
}

/** Whether two protocols ask the same of readers and writers. */
export function sameProtocol(a: Fields, b: Fields | null): boolean {
  return b !== null && canonical(protocolParts(a)) === canonical(protocolParts(b))
}

function protocolParts(protocol: Fields): unknown {
  const list = (name: string) =>
    [...new Set((fieldOf(protocol, name) as unknown[] | undefined) ?? [])].map(String).sort()
  const { minReaderVersion, minWriterVersion } = protocol
  return [minReaderVersion, minWriterVersion, list('readerFeatures'), list('writerFeatures')]
}

/** Whether two `metaData` describe the same table. */
export function sameMetaData(a: Fields, b: Fields | null): boolean {
  return b !== null && canonical(metaDataParts(a)) === canonical(metaDataParts(b))
}

/** A schema is what its text says: other writers print it in other ways. */
function metaDataParts(metaData: Fields): unknown {
  const names = ['id', 'name', 'description', 'partitionColumns', 'configuration', 'createdTime']
  const schema = textOf(metaData, 'schemaString')
  return [schema === undefined ? null : parsedOr(schema), ...names.map((name) => fieldOf(metaData, name))]
}

function parsedOr(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return text // reported where it came with an entry
  }
}

/** JSON with keys in order, and without nulls in objects. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === 'bigint') return String(inner)
    if (!isObject(inner)) return inner
    return Object.fromEntries(
      Object.entries(inner)
        .filter(([, each]) => each !== null)
        .sort(([x], [y]) => (x < y ? -1 : 1)),
    )
  })
}
