/**
 * The newest commit of one pipeline to the log, as a file: its position together with the frames that it writes. Putting
 * the file in place *is* the commit, over any number of topics and partitions; the frames then go to their partitions,
 * numbered, so that doing so again after a crash has no further effect.
 *
 * `<CRC-32 of the rest, 8 hex digits> <manifest, JSON>\n<frames>`
 */
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Position, WriteCounts } from '../../engine/contracts.ts'
import { isSystemError, MillraceError } from '../../engine/errors.ts'
import { makeFolder } from '../../engine/make-folder.ts'
import { storageFailed } from './failures.ts'
import { syncFolder } from './topic.ts'

/** A batch of a sink, between being written down and being in the log. */
export interface SinkTransaction {
  /** Counted from 1; number of the batches in the partitions. */
  readonly sequence: bigint
  readonly txnId: string
  readonly fingerprint: string
  readonly position: Position
  readonly written: WriteCounts
  /** Frames still to be appended; none once they all are. */
  readonly frames: readonly TargetFrame[]
}

/** A frame without its place, and the partition that it goes to. */
export interface TargetFrame {
  readonly topic: string
  readonly partition: number
  readonly count: number
  readonly frame: Uint8Array
}

interface Manifest {
  readonly sequence: string
  readonly txnId: string
  readonly fingerprint: string
  readonly position: Readonly<Record<string, string>>
  readonly written: WriteCounts
  readonly frames: readonly { topic: string; partition: number; count: number; bytes: number }[]
}

/** The pipeline's newest commit, or null before its first. `LOG_CORRUPT` if the file is damaged. */
export async function readTransaction(path: string): Promise<SinkTransaction | null> {
  try {
    return parse(await readFile(path), path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw storageFailed(path, 'read a commit', error)
  }
}

/** Writes the commit beside its place, durably; it counts once `publishTransaction` has moved it there. */
export async function prepareTransaction(path: string, transaction: SinkTransaction): Promise<void> {
  try {
    await makeFolder(dirname(path))
    const file = await open(draftOf(path), 'w')
    try {
      for (const part of print(transaction)) await file.writeFile(part)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    throw storageFailed(path, 'write a commit', error)
  }
}

/** The commit point. */
export async function publishTransaction(path: string): Promise<void> {
  try {
    await rename(draftOf(path), path)
    await syncFolder(dirname(path))
  } catch (error) {
    throw storageFailed(path, 'commit', error)
  }
}

function draftOf(path: string): string {
  return `${path}.draft`
}

function print(transaction: SinkTransaction): Uint8Array[] {
  const manifest: Manifest = {
    sequence: String(transaction.sequence),
    txnId: transaction.txnId,
    fingerprint: transaction.fingerprint,
    position: Object.fromEntries([...transaction.position].map(([key, offset]) => [key, String(offset)])),
    written: transaction.written,
    frames: transaction.frames.map(({ topic, partition, count, frame }) => ({
      topic,
      partition,
      count,
      bytes: frame.length,
    })),
  }
  const parts = [Buffer.from(`${JSON.stringify(manifest)}\n`), ...transaction.frames.map(({ frame }) => frame)]
  const crc = parts.reduce((sum, part) => crc32(part, sum), 0)
  return [Buffer.from(`${crc.toString(16).padStart(8, '0')} `), ...parts]
}

function parse(file: Buffer, path: string): SinkTransaction {
  const rest = file.subarray(9)
  if (Number.parseInt(file.toString('latin1', 0, 8), 16) !== crc32(rest))
    throw new MillraceError('LOG_CORRUPT', `commit file is damaged: ${path} (restore it from a copy)`, {
      context: { path },
    })
  const end = rest.indexOf('\n')
  const manifest = JSON.parse(rest.toString('utf8', 0, end)) as Manifest
  let at = end + 1
  return {
    sequence: BigInt(manifest.sequence),
    txnId: manifest.txnId,
    fingerprint: manifest.fingerprint,
    position: new Map(Object.entries(manifest.position).map(([key, offset]) => [key, BigInt(offset)])),
    written: manifest.written,
    frames: manifest.frames.map(({ topic, partition, count, bytes }) => {
      const frame = Uint8Array.from(rest.subarray(at, at + bytes)) // in memory of its own, aligned
      at += bytes
      return { topic, partition, count, frame }
    }),
  }
}
