/** Sizes of records from the offsets tables of a frame alone, without reading keys or values. */

/** Bytes of keys and values of records `[from, to)`, by their offsets tables. */
export function recordBytes(keys: Int32Array, values: Int32Array, from: number, to: number): number {
  return keys[to]! - keys[from]! + values[to]! - values[from]!
}

/** The greatest end in `[from, to]` so that the records before it hold at most `bytes`. */
export function recordsWithin(
  keys: Int32Array,
  values: Int32Array,
  { from, to }: { readonly from: number; readonly to: number },
  bytes: number,
): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (recordBytes(keys, values, from, middle) <= bytes) low = middle
    else high = middle - 1
  }
  return low
}
