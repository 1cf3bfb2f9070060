/** Rules about `commitInfo` (PROTOCOL.md, "Commit Provenance Information", "In-Commit Timestamps"). */
import { int64 } from '../int64-json.ts'
import { hasFeature } from './features.ts'
import type { TableThen } from './file-rules.ts'
import type { Report } from './finding.ts'
import { fieldOf, type RawAction } from './raw-action.ts'

/** An entry, and what it makes of the table. */
export interface CommitInfoOptions {
  readonly actions: readonly RawAction[]
  readonly then: TableThen
  /** In-commit timestamp of the version before. */
  readonly last: bigint | null
}

/** The in-commit timestamp, or null if there is none that counts. */
export function checkCommitInfo({ actions, then, last }: CommitInfoOptions, report: Report): bigint | null {
  const info = actions.find(({ kind }) => kind === 'commitInfo')?.fields
  if (info?.isBlindAppend === true) checkBlindAppend(actions, report)
  if (!isOn(then)) return null
  if (actions[0] !== undefined && actions[0].kind !== 'commitInfo')
    report('commit-info-not-first', `the first action is ${actions[0].kind}`)
  const timestamp = int64(info === undefined ? null : fieldOf(info, 'inCommitTimestamp'))
  if (timestamp === null) report('commit-timestamp-missing', 'there is no inCommitTimestamp')
  else if (last !== null && timestamp <= last)
    report('commit-timestamp-not-later', `inCommitTimestamp ${timestamp} follows ${last}`)
  return timestamp ?? last
}

/** Other writers skip their conflict checks against blind appends. */
function checkBlindAppend(actions: readonly RawAction[], report: Report): void {
  const other = actions.find(({ kind }) => kind === 'remove' || kind === 'cdc')
  if (other !== undefined) report('blind-append-removes', `isBlindAppend is true, and there is a ${other.kind}`)
}

function isOn({ protocol, table }: TableThen): boolean {
  const enabled = table?.configuration['delta.enableInCommitTimestamps'] === 'true'
  return enabled && protocol !== null && hasFeature(protocol, 'inCommitTimestamp')
}
