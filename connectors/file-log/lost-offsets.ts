/**
 * Offsets that were given up because their frames were damaged: an empty file `<start>-<end>.lost` in the partition's folder for each
 * span, 20 digits each. Between segments these are the only gaps that there may be.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isSystemError } from '../../engine/errors.ts'
import { storageFailed } from './failures.ts'
import { syncFolder } from './topic.ts'

/** Half-open: `[start, end)`. */
export interface OffsetSpan {
  readonly start: bigint
  readonly end: bigint
}

/** What was given up of a partition, in order; spans that touch are one. */
export async function listLost(partitionPath: string): Promise<readonly OffsetSpan[]> {
  const names = await readdir(partitionPath).catch((error) => {
    if (isSystemError(error, 'ENOENT')) return []
    throw storageFailed(partitionPath, 'list what is lost', error)
  })
  const spans: OffsetSpan[] = []
  for (const name of names.filter((each) => /^\d{20}-\d{20}\.lost$/.test(each)).sort()) {
    const [start, end] = [BigInt(name.slice(0, 20)), BigInt(name.slice(21, 41))]
    const before = spans.at(-1)
    if (before !== undefined && start <= before.end)
      spans[spans.length - 1] = { start: before.start, end: end > before.end ? end : before.end }
    else spans.push({ start, end })
  }
  return spans
}

/** Notes durably that a span is given up; again has no effect. */
export async function noteLost(partitionPath: string, { start, end }: OffsetSpan): Promise<void> {
  const path = join(partitionPath, `${digits(start)}-${digits(end)}.lost`)
  try {
    await (await open(path, 'a')).close()
    await syncFolder(partitionPath)
  } catch (error) {
    throw storageFailed(path, 'note what is lost', error)
  }
}

/** The parts of a span that are not lost, in order. Pure. */
export function keptParts(span: OffsetSpan, lost: readonly OffsetSpan[]): readonly OffsetSpan[] {
  const parts: OffsetSpan[] = []
  let at = span.start
  for (const { start, end } of lost) {
    if (end <= at || start >= span.end) continue
    if (start > at) parts.push({ start: at, end: start })
    at = end
  }
  if (at < span.end) parts.push({ start: at, end: span.end })
  return parts
}

function digits(offset: bigint): string {
  return offset.toString().padStart(20, '0')
}
