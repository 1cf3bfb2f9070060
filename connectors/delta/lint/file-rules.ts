/** Rules about `add`, `remove` and `cdc` actions, each by itself (PROTOCOL.md, "Add File and Remove File", "Add CDC File"). */
import { isObject } from '../schema.ts'
import { checkPath } from './action-shapes.ts'
import { hasFeature } from './features.ts'
import { prefixed, type Report } from './finding.ts'
import type { TableView } from './metadata-rules.ts'
import { checkPartitionValues } from './partition-rules.ts'
import { type Fields, fieldOf, type RawAction, textOf } from './raw-action.ts'
import { checkStatistics } from './statistics-rules.ts'
import { checkVector } from './vector-rules.ts'

/** What a version makes of the table that its files are in; null where it is not known. */
export interface TableThen {
  readonly protocol: Fields | null
  readonly table: TableView | null
}

/** Checks an `add`, `remove` or `cdc` action that has its required fields. */
export function checkFile({ kind, fields, at }: RawAction, then: TableThen, report: Report): void {
  const tell = prefixed(report, `${at}, ${kind} of ${textOf(fields, 'path') ?? 'no path'}`)
  checkPath(fields, tell)
  if (kind === 'add') checkAdd(fields, then, tell)
  else if (kind === 'remove') checkRemove(fields, then, tell)
  else checkCdc(fields, then, tell)
}

function checkAdd(add: Fields, { protocol, table }: TableThen, report: Report): void {
  const values = fieldOf(add, 'partitionValues')
  if (isObject(values) && table !== null) checkPartitionValues(values, table, report)
  const stats = textOf(add, 'stats')
  const rows = stats === undefined ? null : checkStatistics(stats, table, report)
  const vector = fieldOf(add, 'deletionVector')
  if (isObject(vector)) {
    checkVector(vector, rows, report)
    if (protocol !== null && !hasFeature(protocol, 'deletionVectors'))
      report('vector-without-feature', 'the protocol lacks deletionVectors')
  }
  const suspended = table?.configuration['delta.rowTrackingSuspended'] === 'true'
  if (protocol !== null && hasFeature(protocol, 'rowTracking') && !suspended)
    for (const name of ['baseRowId', 'defaultRowCommitVersion'])
      if (fieldOf(add, name) === undefined) report('row-id-missing', `there is no ${name}`)
}

/** Partition values are not held against the columns: these may have changed since the file was added. */
function checkRemove(remove: Fields, { protocol }: TableThen, report: Report): void {
  if (remove.extendedFileMetadata === true)
    for (const name of ['partitionValues', 'size'])
      if (fieldOf(remove, name) === undefined) report('extended-metadata-missing', `there is no ${name}`)
  if (isObject(fieldOf(remove, 'deletionVector')) && protocol !== null && !hasFeature(protocol, 'deletionVectors'))
    report('vector-without-feature', 'the protocol lacks deletionVectors')
}

function checkCdc(cdc: Fields, { protocol, table }: TableThen, report: Report): void {
  if (cdc.dataChange === true) report('cdc-data-change', 'dataChange is true')
  if (table === null || protocol === null) return
  const values = fieldOf(cdc, 'partitionValues')
  if (isObject(values))
    checkPartitionValues(values, table, (rule, message) =>
      report(rule === 'partition-keys' ? 'cdc-partition-keys' : rule, message),
    )
  if (table.configuration['delta.enableChangeDataFeed'] !== 'true')
    report('cdc-not-enabled', 'delta.enableChangeDataFeed is not true')
}
