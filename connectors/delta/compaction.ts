/** Writing small files of a table together as they come, so that none has to be started for it. */
import type { AddFile } from './actions.ts'
import { partitionKey } from './partitions/pruning.ts'
import { type RewriteOptions, rewriteFiles } from './rewrite.ts'
import type { Snapshot } from './table.ts'

/** What a compaction is done with, and when it is due. */
export interface CompactionOptions extends RewriteOptions {
  /** As many files of about one size in a partition are written together. */
  readonly afterFiles: number
}

/** Watches over a table's files while batches are committed to it. */
export interface Compaction {
  /** To be called after a commit. Does what is due; other writers may be at work. */
  committed(): Promise<void>
}

/**
 * Sizes at which files move up: every row is written anew at most once for each, and never once its file is not small. Files of a pipeline that
 * catches up are larger than the last: it must not be held up by writing all anew.
 */
const levelBytes = [2n ** 18n, 2n ** 22n]
/** One compaction takes no longer than a few batches. */
const mostBytes = 2n ** 27n
/** Tables of more files are left to `optimize`: the list of their files alone takes longer to read than a commit. */
const mostFiles = 20_000

/** Files are looked through after the first commit, and whenever there were a fourth as many as make one due. */
export function openCompaction(options: CompactionOptions): Compaction {
  let unseen = Number.POSITIVE_INFINITY
  return {
    async committed() {
      unseen += 1
      if (unseen < options.afterFiles / 4) return
      unseen = 0
      const snapshot = await options.target.table.snapshot()
      if (snapshot === null || !mayList(snapshot)) return
      const group = chooseFiles((await snapshot.files()).values(), options.afterFiles)
      if (group !== null) await rewriteFiles(options, snapshot, group, { targetBytes: mostBytes, order: null })
    },
  }
}

/** Whether the list of a table's files is read in a moment. */
export function mayList({ fileCount }: Pick<Snapshot, 'fileCount'>): boolean {
  return fileCount !== null && fileCount <= mostFiles
}

interface Group {
  readonly level: number
  readonly files: AddFile[]
  sizeBytes: bigint
  /** Together they are as large as a file may become. */
  isFull: boolean
}

/**
 * Files of one partition and about one size, if there are enough of them, or enough bytes: the smallest first. Null if
 * nothing is due. Pure.
 */
export function chooseFiles(files: Iterable<AddFile>, afterFiles: number): readonly AddFile[] | null {
  const groups = new Map<string, Group>()
  for (const file of files) {
    const level = levelBytes.findIndex((limit) => file.size < limit)
    if (level < 0) continue
    const key = `${level} ${partitionKey(file.partitionValues)}`
    const group = groups.get(key) ?? { level, files: [], sizeBytes: 0n, isFull: false }
    groups.set(key, group)
    group.isFull ||= group.sizeBytes + file.size > mostBytes
    if (group.isFull) continue
    group.files.push(file)
    group.sizeBytes += file.size
  }
  const due = [...groups.values()].filter(({ files: found, isFull }) => isFull || found.length >= afterFiles)
  return due.sort((a, b) => a.level - b.level)[0]?.files ?? null
}
