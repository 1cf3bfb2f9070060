/** A span of years, as it is written on a command line or in an address. */

/** Both included; one that lacks an end has none. */
export interface Years {
  readonly from?: number
  readonly to?: number
}

/** `1999`, `1990-1999`, `1990-`, `-1999`; null for anything else, and where the end is before the beginning. */
export function parseYears(text: string): Years | null {
  const match = /^(\d{4})?(-)?(\d{4})?$/.exec(text)
  const [, first, dash, last] = match ?? []
  if (first === undefined && last === undefined) return null
  if (dash === undefined) return last === undefined ? { from: Number(first), to: Number(first) } : null
  if (first !== undefined && last !== undefined && Number(last) < Number(first)) return null
  return {
    ...(first === undefined ? {} : { from: Number(first) }),
    ...(last === undefined ? {} : { to: Number(last) }),
  }
}
