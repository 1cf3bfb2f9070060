/** Rules about version checksums, `<version>.crc` (PROTOCOL.md, "Version Checksum File"). */
import { messageOf } from '../../../engine/errors.ts'
import { int64, parseJson } from '../int64-json.ts'
import { isObject } from '../schema.ts'
import { sameMetaData, sameProtocol } from './checkpoint-rules.ts'
import type { Report } from './finding.ts'
import type { LogState } from './log-state.ts'
import { type Fields, fieldOf } from './raw-action.ts'
import { cardinalityOf } from './vector-rules.ts'

/** @param state of the checksum's version; null where it is not known, and then only the file itself is checked */
export function checkChecksum(body: Uint8Array, state: LogState | null, report: Report): void {
  let checksum: unknown
  try {
    checksum = parseJson(Buffer.from(body).toString('utf8'))
    if (!isObject(checksum)) throw new Error('it is no object')
  } catch (error) {
    report('checksum-unreadable', messageOf(error))
    return
  }
  const fields: Fields = checksum
  for (const name of ['tableSizeBytes', 'numFiles', 'numMetadata', 'numProtocol'])
    if (int64(fields[name]) === null) report('checksum-incomplete', `it has no ${name}`)
  for (const name of ['metadata', 'protocol'])
    if (!isObject(fieldOf(fields, name))) report('checksum-incomplete', `it has no ${name}`)
  if (state !== null) compare(fields, state, report)
}

function compare(fields: Fields, state: LogState, report: Report): void {
  for (const [name, expected] of Object.entries(countsOf(state))) {
    const told = int64(fields[name])
    if (told !== null && expected !== null && told !== expected)
      report('checksum-mismatch', `${name} is ${told}, and ${expected} in the log`)
  }
  const [protocol, metadata] = [fieldOf(fields, 'protocol'), fieldOf(fields, 'metadata')]
  if (isObject(protocol) && !sameProtocol(protocol, state.protocol))
    report('checksum-mismatch', 'its protocol is not that of its version')
  if (isObject(metadata) && !sameMetaData(metadata, state.table?.metaData ?? null))
    report('checksum-mismatch', 'its metadata is not that of its version')
  const expiring = state.table?.configuration['delta.setTransactionRetentionDuration'] !== undefined
  compareList(
    fields,
    { list: 'setTransactions', key: 'appId', value: 'version' },
    { log: state.txns, mayLack: expiring },
    report,
  )
  compareList(
    fields,
    { list: 'domainMetadata', key: 'domain', value: 'configuration' },
    { log: state.domains, mayLack: false },
    report,
  )
}

/** Null: not known. */
function countsOf(state: LogState): Readonly<Record<string, bigint | null>> {
  let [size, deleted, vectors] = [0n, 0n, 0n]
  for (const file of state.files.values()) {
    size += int64(fieldOf(file, 'size')) ?? 0n
    deleted += cardinalityOf(file) ?? 0n
    if (fieldOf(file, 'deletionVector') !== undefined) vectors += 1n
  }
  return {
    tableSizeBytes: size,
    numFiles: BigInt(state.files.size),
    numMetadata: 1n,
    numProtocol: 1n,
    numDeletedRecordsOpt: deleted,
    numDeletionVectorsOpt: vectors,
    inCommitTimestampOpt: state.timestamp,
  }
}

interface List {
  readonly list: string
  readonly key: string
  readonly value: string
}

interface Expected {
  readonly log: ReadonlyMap<string, Fields>
  /** Whether what the log has may be missing. */
  readonly mayLack: boolean
}

function compareList(fields: Fields, { list, key, value }: List, { log, mayLack }: Expected, report: Report): void {
  const told = fieldOf(fields, list)
  if (!Array.isArray(told)) return
  const ours = new Map(told.filter(isObject).map((item) => [String(item[key]), String(item[value])]))
  for (const name of new Set([...ours.keys(), ...log.keys()])) {
    const there = log.get(name)?.[value]
    const [mine, theirs] = [ours.get(name), there === undefined ? undefined : String(there)]
    if (mine !== theirs && !(mine === undefined && mayLack))
      report('checksum-mismatch', `${list} has ${name} as ${mine ?? 'nothing'}, the log as ${theirs ?? 'nothing'}`)
  }
}
