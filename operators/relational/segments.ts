/** Rows of files, and how they are cut into parts that fit into memory. Pure. */
import type { TableInputFile } from '../../engine/contracts.ts'

/** Consecutive rows of one file. */
export interface Segment {
  readonly file: TableInputFile
  /** Number of the file in its input. */
  readonly index: number
  readonly from: number
  readonly rows: number
  /** Of the columns that are read, unpacked; an estimate where a row group is cut. */
  readonly bytes: number
  /** Whether it is all of its file. */
  readonly isFile: boolean
}

/** How many rows DuckDB takes up at once. */
const vectorRows = 2048

/** Rows, and bytes of the columns that are read. */
export function totalOf(segments: readonly Segment[]): { readonly rows: number; readonly bytes: number } {
  let [rows, bytes] = [0, 0]
  for (const segment of segments) {
    rows += segment.rows
    bytes += segment.bytes
  }
  return { rows, bytes }
}

/** Bytes that DuckDB takes up at once of the rows that are widest. */
export function widestVector(segments: readonly Segment[]): number {
  return segments.reduce((most, { rows, bytes }) => Math.max(most, bytes * Math.min(1, vectorRows / rows)), 0)
}

export interface CutLimits {
  readonly partBytes: number
  /** Of rows that are taken up at once. */
  readonly vectorBytes: number
}

/**
 * Parts of about `partBytes` at most. A segment whose rows are too wide to be taken up together is cut into parts of its own;
 * a part holds one row at least.
 */
export function cutIntoParts(segments: readonly Segment[], limits: CutLimits): Segment[][] {
  const parts: Segment[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const segment of segments) {
    const pieces = piecesOf(segment, limits)
    if (pieces.length > 1) {
      parts.push(...pieces.map((piece) => [piece]))
      bytes = Number.POSITIVE_INFINITY
      continue
    }
    if (bytes + segment.bytes > limits.partBytes) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(segment)
    bytes += segment.bytes
  }
  return parts
}

function piecesOf(segment: Segment, { partBytes, vectorBytes }: CutLimits): Segment[] {
  const { rows, bytes, from } = segment
  const isWide = widestVector([segment]) > vectorBytes
  if (!isWide && bytes <= partBytes) return [segment]
  const most = Math.max(1, Math.floor(((isWide ? vectorBytes : partBytes) * rows) / bytes))
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const count = Math.min(most, rows - i * most)
    return { ...segment, from: from + i * most, rows: count, bytes: (bytes * count) / rows, isFile: false }
  })
}
