/** Paths for engines to which some signs in one are more than themselves. */
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder's path for an engine. */
export interface PlainFolder {
  readonly path: string
  /** The path may not be used any more; the folder stays. */
  release(): void
}

/** What engines take for a pattern. */
const special = /[*?[\]{}\\]/

/** A folder that exists, under a path in which every sign stands for itself: over a link to it, where its own has others. */
export function plainFolder(folder: string): PlainFolder {
  if (!special.test(folder)) return { path: folder, release: () => {} }
  const around = mkdtempSync(join(tmpdir(), 'millrace-'))
  const path = join(around, 'f')
  symlinkSync(realpathSync(folder), path)
  return { path, release: () => rmSync(around, { recursive: true, force: true }) }
}
