/** Sizes of records from the offsets tables of a frame alone, without reading keys, values or headers. */

/** The offsets tables of a frame. */
export interface RecordOffsets {
  readonly keys: Int32Array
  readonly values: Int32Array
  /** `records`: number of the first header of each record. Null if no record has headers. */
  readonly headers: { readonly records: Int32Array; readonly keys: Int32Array; readonly values: Int32Array } | null
}

/** Bytes of keys, values and headers of records `[from, to)`. */
export function recordBytes({ keys, values, headers }: RecordOffsets, from: number, to: number): number {
  const payload = keys[to]! - keys[from]! + values[to]! - values[from]!
  if (headers === null) return payload
  const [first, last] = [headers.records[from]!, headers.records[to]!]
  return payload + headers.keys[last]! - headers.keys[first]! + headers.values[last]! - headers.values[first]!
}

/** The greatest end in `[from, to]` so that the records before it hold at most `bytes`. */
export function recordsWithin(
  offsets: RecordOffsets,
  { from, to }: { readonly from: number; readonly to: number },
  bytes: number,
): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (recordBytes(offsets, from, middle) <= bytes) low = middle
    else high = middle - 1
  }
  return low
}
