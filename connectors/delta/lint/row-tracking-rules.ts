/** Rules about row ids (PROTOCOL.md, "Row Tracking"). */
import { int64, parseJson } from '../int64-json.ts'
import { isObject } from '../schema.ts'
import { hasFeature } from './features.ts'
import type { Report } from './finding.ts'
import { type LogState, liveKey, pathOf, rowCountOf } from './log-state.ts'
import { type Fields, fieldOf, type RawAction, textOf } from './raw-action.ts'

const domainName = 'delta.rowTracking'

/** @param state before the entry that has the actions */
export function checkRowIds(
  state: LogState,
  actions: readonly RawAction[],
  protocol: Fields | null,
  report: Report,
): void {
  if (protocol === null || !state.complete || !hasFeature(protocol, 'rowTracking')) return
  const before = highWaterMark(state.domains.get(domainName))
  const newer = actions.find(({ kind, fields }) => kind === 'domainMetadata' && fields.domain === domainName)
  const mark = newer === undefined ? before : highWaterMark(newer.fields)
  if (before !== null && mark !== null && mark < before)
    report('high-water-mark-lowered', `the high-water mark of row ids went from ${before} to ${mark}`)
  for (const { kind, fields } of actions) {
    const first = kind === 'add' ? int64(fieldOf(fields, 'baseRowId')) : null
    if (first === null) continue
    const path = pathOf(fields)
    const isNew = liveKey(state, path) === null && !state.tombstones.has(path)
    if (isNew && before !== null && first <= before)
      report('row-id-not-fresh', `${path} is new and has row ids from ${first}, the mark was ${before} before`)
    const rows = rowCountOf(fields) ?? 1n
    const last = rows > 0n ? first + rows - 1n : first - 1n
    if (mark === null || last > mark)
      report('row-id-above-high-water-mark', `${path} has row ids up to ${last}, the mark is ${mark}`)
  }
}

function highWaterMark(domain: Fields | undefined): bigint | null {
  if (domain === undefined) return null
  try {
    const configuration = parseJson(textOf(domain, 'configuration') ?? 'null')
    return isObject(configuration) ? int64(configuration.rowIdHighWaterMark) : null
  } catch {
    return null // other domains may hold anything: it is no mark, and every row id is above it
  }
}
