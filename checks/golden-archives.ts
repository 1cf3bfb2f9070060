/** The tables of the reference implementation, out of their archives. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** A table that the reference implementation wrote. */
export interface GoldenTable {
  /** Of its archive; an archive may hold several tables. */
  readonly name: string
  /** Its folder. */
  readonly path: string
  /** The folder's place in the archive. */
  readonly inside: string
}

/** Unpacks archives `<name>.tar.gz` one after another below `root`, and finds the folders with a log. */
export function* goldenTables(folder: string, root: string): Generator<GoldenTable> {
  for (const archive of readdirSync(folder).filter((name) => name.endsWith('.tar.gz'))) {
    const name = basename(archive, '.tar.gz')
    const at = join(root, name)
    mkdirSync(at)
    execFileSync('tar', ['xzf', join(folder, archive), '-C', at])
    for (const path of tablesIn(at)) yield { name, path, inside: path.slice(at.length + 1) }
  }
}

function tablesIn(at: string): string[] {
  const found = String(execFileSync('find', [at, '-type', 'd', '-name', '_delta_log']))
  return found.split('\n').filter(Boolean).map(dirname).sort()
}
