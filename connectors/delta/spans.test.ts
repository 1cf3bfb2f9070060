import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mergeSpans, type Span, spanBetween, subtractSpans } from './spans.ts'

const span = fc
  .tuple(fc.bigInt({ min: -20n, max: 20n }), fc.bigInt({ min: -20n, max: 20n }))
  .map(([a, b]) => spanBetween(a, b))

function places(spans: readonly Span[]): bigint[] {
  const found = new Set<bigint>()
  for (const { start, end } of spans) for (let place = start; place < end; place++) found.add(place)
  return [...found].sort((a, b) => Number(a - b))
}

/** Ascending, apart from each other, none empty: there is only one way to say it. */
function isShortest(spans: readonly Span[]): boolean {
  return spans.every(({ start, end }, i) => start < end && (i === 0 || spans[i - 1]!.end < start))
}

test('merged spans cover the same places, in as few spans as possible', () => {
  fc.assert(
    fc.property(fc.array(span), (spans) => {
      const merged = mergeSpans(spans)
      expect(places(merged)).toEqual(places(spans))
      expect(isShortest(merged)).toBe(true)
    }),
  )
})

test('what is subtracted is gone, and nothing else', () => {
  fc.assert(
    fc.property(span, fc.array(span), (from, taken) => {
      const left = subtractSpans(from, mergeSpans(taken))
      const gone = new Set(places(taken))
      expect(places(left)).toEqual(places([from]).filter((place) => !gone.has(place)))
      expect(isShortest(left)).toBe(true)
    }),
  )
})
