/** Folders of tests, which go with the test, or with the process at the latest; and the database that tests share. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'

/** A folder that is removed when it is done with. */
export interface TestFolder {
  readonly path: string
  remove(): void
}

const folders = new Set<string>()

/** A new, empty folder: in memory where the system has room there (`/dev/shm`), else among the temporary files. */
export function makeTestFolder(): TestFolder {
  const path = mkdtempSync(join(root(), 'millrace-test-'))
  if (folders.size === 0) process.once('exit', removeAll)
  folders.add(path)
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true })
      folders.delete(path)
      if (folders.size === 0) process.off('exit', removeAll)
    },
  }
}

function removeAll(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true })
}

const shared = '/dev/shm'
/** Containers have 64 MiB there unless told otherwise, which a batch may exceed. */
const roomBytes = 512 * 2 ** 20

function root(): string {
  try {
    const { bavail, bsize } = statfsSync(shared)
    if (bavail * bsize >= roomBytes) return shared
  } catch {
    // not on this system
  }
  return tmpdir()
}

let database: Promise<Duckdb> | null = null

/** The process's database: opening one takes longer than most tests. It holds nothing between statements, and ends with the process. */
export function sharedDuckdb(memoryLimitBytes: number): Promise<Duckdb> {
  database ??= openDuckdb({ memoryLimitBytes, threads: 1, tempDir: join(root(), `millrace-test-spill-${process.pid}`) })
  return database
}
