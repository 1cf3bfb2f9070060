/** Moves a partition's records to other offsets, as if so many had been written before them. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Moves the partitions of a topic that begin at offset 0 to `first`, in the data folder of a broker that is stopped. A batch's
 * checksum does not cover its base offset; indexes, snapshots and checkpoints are made anew by the broker.
 */
export function moveOffsets(dataDir: string, topic: string, first: bigint): void {
  for (const folder of readdirSync(dataDir).filter((name) => new RegExp(`^${topic}-\\d+$`).test(name))) {
    const dir = join(dataDir, folder)
    for (const file of readdirSync(dir)) {
      if (file.endsWith('.log')) moveSegment(dir, file, first)
      else if (file !== 'partition.metadata') rmSync(join(dir, file), { recursive: true })
    }
  }
  for (const file of readdirSync(dataDir))
    if (file.endsWith('-checkpoint') || file === '.kafka_cleanshutdown') rmSync(join(dataDir, file))
}

function moveSegment(dir: string, file: string, first: bigint): void {
  const bytes = readFileSync(join(dir, file))
  for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8))
    bytes.writeBigInt64BE(bytes.readBigInt64BE(at) + first, at)
  const base = BigInt(file.slice(0, -'.log'.length)) + first
  rmSync(join(dir, file))
  writeFileSync(join(dir, `${String(base).padStart(20, '0')}.log`), bytes)
}
