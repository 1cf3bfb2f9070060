/** Half-open spans of offsets or versions: what they cover together, and what they leave. Pure. */

/** `[start, end)`; empty when both are equal. */
export interface Span {
  readonly start: bigint
  /** The first that is not in it. */
  readonly end: bigint
}

/** The spans as few as possible: ascending, apart from each other, none of them empty. */
export function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = []
  for (const span of spans.filter(({ start, end }) => start < end).sort(byStart)) {
    const last = merged.at(-1)
    if (last === undefined || span.start > last.end) merged.push(span)
    else if (span.end > last.end) merged[merged.length - 1] = { start: last.start, end: span.end }
  }
  return merged
}

/** What is in `span` and in none of `taken`, which are as {@link mergeSpans} returns them; ascending, none empty. */
export function subtractSpans(span: Span, taken: readonly Span[]): readonly Span[] {
  const left: Span[] = []
  let { start } = span
  for (const each of taken) {
    if (each.end <= start) continue
    if (each.start >= span.end) break
    if (each.start > start) left.push({ start, end: each.start })
    start = each.end
  }
  if (start < span.end) left.push({ start, end: span.end })
  return left
}

/** From the lesser to the greater of two positions. */
export function spanBetween(a: bigint, b: bigint): Span {
  return a < b ? { start: a, end: b } : { start: b, end: a }
}

function byStart(left: Span, right: Span): number {
  return left.start < right.start ? -1 : left.start > right.start ? 1 : 0
}
