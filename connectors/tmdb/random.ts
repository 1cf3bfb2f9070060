/** Chance from a seed: the same keys give the same numbers on every machine. Not for secrets. */

export interface Random {
  /** Uniform in [0, 2^32). */
  uint32(): number
  /** Uniform in [0, 1). */
  next(): number
  /** A whole number in [0, below). */
  int(below: number): number
  /** A whole number in [min, max], both included. */
  between(min: number, max: number): number
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
}

/** Part of what a stream of random numbers is named by. */
export type RandomKey = number | string

/**
 * A stream of its own for these keys (a seed, then what the numbers are for), so that any part of a catalogue can be
 * made without making what comes before it. Generator: sfc32, seeded by hashing the keys.
 */
export function randomOf(...keys: readonly RandomKey[]): Random {
  let a = hashKeys(keys, 0x9e3779b9)
  let b = hashKeys(keys, 0x243f6a88)
  let c = hashKeys(keys, 0xb7e15162)
  let counter = 1
  const uint32 = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let round = 0; round < 8; round += 1) uint32()
  const next = (): number => uint32() / 2 ** 32
  const int = (below: number): number => Math.floor(next() * below)
  return {
    uint32,
    next,
    int,
    between: (min, max) => min + int(max - min + 1),
    chance: (probability) => next() < probability,
    pick: (list) => list[int(list.length)]!,
  }
}

/** 32 bits of the keys, mixed as in murmur3. */
export function hashKeys(keys: readonly RandomKey[], start = 0): number {
  let hash = start | 0
  for (const key of keys) {
    if (typeof key === 'number') {
      hash = mix(mix(hash, key | 0), Math.floor(key / 2 ** 32) | 0)
    } else {
      for (let i = 0; i < key.length; i += 1) hash = mix(hash, key.charCodeAt(i))
      hash = mix(hash, key.length)
    }
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mix(hash: number, value: number): number {
  const k = Math.imul(value, 0xcc9e2d51)
  const mixed = hash ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

/** A standard normal number (Box-Muller). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}
