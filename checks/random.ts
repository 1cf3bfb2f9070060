/** Seeded randomness for checks. */

/** Whole numbers below a bound. */
export type Draw = (below: number) => number

/** Mulberry32: small, and the same everywhere. */
export function seededDraw(seed: number): Draw {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}
