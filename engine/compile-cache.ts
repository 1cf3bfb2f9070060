/** Compiled code is kept from one start to the next, in a folder that nobody else can write to. */
import { lstatSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { makeFolderNow } from './make-folder.ts'

/**
 * Lets this thread keep what it compiles, and load what was compiled before. Node's default folder is in the machine's shared
 * temporary folder, where another user could plant code: ours is in the home folder, and is used only if it is this user's alone.
 * Otherwise nothing is kept.
 */
export function keepCompiledCode(home: string = homedir()): void {
  const dir = join(home, '.cache', 'millrace', 'compiled')
  if (isPrivate(dir)) enableCompileCache(dir)
}

/** Makes the folder if it is missing. False if it cannot be made, is a link, or others may write to it or read it. */
function isPrivate(dir: string): boolean {
  try {
    makeFolderNow(dir, { mode: 0o700 })
    const { mode, uid } = lstatSync(dir)
    const isFolder = (mode & 0o170000) === 0o040000
    if (process.getuid === undefined) return isFolder // Windows: a user's folder is private by its access list
    return isFolder && uid === process.getuid() && (mode & 0o077) === 0
  } catch {
    return false // a home that cannot be written is no reason to fail
  }
}
