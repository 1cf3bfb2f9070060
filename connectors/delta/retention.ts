/** How long deleted files are remembered (`delta.deletedFileRetentionDuration`). */
import type { MetaData } from './actions.ts'

const unitMs: Readonly<Record<string, bigint>> = {
  millisecond: 1n,
  second: 1000n,
  minute: 60_000n,
  hour: 3_600_000n,
  day: 86_400_000n,
  week: 604_800_000n,
}

/** Milliseconds for which tombstones are kept; one week if the table does not say, or says it in words unknown to us. */
export function retentionMs(metaData: MetaData): bigint {
  const text = metaData.configuration['delta.deletedFileRetentionDuration'] ?? ''
  const match = /^(?:interval\s+)?(\d+)\s+([a-z]+?)s?$/i.exec(text.trim())
  const unit = match === null ? undefined : unitMs[match[2]!.toLowerCase()]
  return unit === undefined ? unitMs.week! : BigInt(match![1]!) * unit
}
