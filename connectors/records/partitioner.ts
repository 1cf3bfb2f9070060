/** Which partition a key belongs to: Kafka's own rule, so that the embedded log and a broker agree. */

/** Kafka's default partitioner: murmur2 of the key's bytes, made positive, modulo the number of partitions. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

/** 32-bit murmur2 as Kafka's Java client computes it; signed. */
export function murmur2(bytes: Uint8Array): number {
  const m = 0x5bd1e995
  const tail = bytes.length & ~3
  let h = 0x9747b28c ^ bytes.length
  for (let i = 0; i < tail; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    k = Math.imul(k, m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  const rest = bytes.length - tail
  if (rest === 3) h ^= bytes[tail + 2]! << 16
  if (rest >= 2) h ^= bytes[tail + 1]! << 8
  if (rest >= 1) h = Math.imul(h ^ bytes[tail]!, m)
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}
