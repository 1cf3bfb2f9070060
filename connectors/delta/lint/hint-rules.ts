/** Rules about `_last_checkpoint` (PROTOCOL.md, "Last Checkpoint File"). It may be stale: that costs readers time only. */
import { messageOf } from '../../../engine/errors.ts'
import { int64, parseJson } from '../int64-json.ts'
import { isObject } from '../schema.ts'
import type { Report } from './finding.ts'
import type { CheckpointFiles } from './log-folder.ts'

/** A checkpoint, and what was read in it; null if it was not read. */
export interface KnownCheckpoint {
  readonly files: CheckpointFiles
  readonly actions: number | null
  readonly adds: number | null
  readonly sidecarBytes: number | null
}

/** @param checkpoints those that are whole */
export function checkHint(body: Uint8Array, checkpoints: readonly KnownCheckpoint[], report: Report): void {
  let hint: unknown
  try {
    hint = parseJson(Buffer.from(body).toString('utf8'))
  } catch (error) {
    report('hint-unreadable', messageOf(error))
    return
  }
  const version = isObject(hint) ? int64(hint.version) : null
  if (!isObject(hint) || version === null || version < 0n) {
    report('hint-unreadable', 'it has no version')
    return
  }
  const parts = int64(hint.parts)
  const named = checkpoints.filter(
    ({ files }) => files.version === version && (parts === null || BigInt(files.total) === parts),
  )
  if (named.length === 0) {
    const what = parts === null ? '' : ` in ${parts} parts`
    report('hint-dangling', `there is no whole checkpoint of version ${version}${what}`)
    return
  }
  const told: readonly (readonly [string, (known: KnownCheckpoint) => number | null])[] = [
    ['size', ({ actions }) => actions],
    ['numOfAddFiles', ({ adds }) => adds],
    ['sizeInBytes', ({ files, sidecarBytes }) => (sidecarBytes === null ? null : files.sizeBytes + sidecarBytes)],
  ]
  for (const [name, of] of told) {
    const value = int64(hint[name])
    const known = named.map(of)
    if (value !== null && known.every((each) => each !== null && BigInt(each) !== value))
      report('hint-mismatch', `${name} is ${value}, and ${known.join(' or ')} in the checkpoint`)
  }
}
