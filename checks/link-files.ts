/** A second folder with the same files: what is deleted in the first one stays there. */
import { link, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isSystemError } from '../engine/errors.ts'

/**
 * Links every file below `from` that is not yet in `to`. A file that grows grows in both. One that was replaced by another (the same name,
 * another file) is linked anew.
 */
export async function linkFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await linkFiles(source, target)
    else if (entry.isFile()) await linkFile(source, target)
  }
}

/** A file that is deleted meanwhile keeps the link that it has. */
async function linkFile(source: string, target: string): Promise<void> {
  const fresh = `${target}.fresh`
  try {
    await link(source, fresh)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  await rename(fresh, target)
  await rm(fresh, { force: true }) // left where both are the same file
}
