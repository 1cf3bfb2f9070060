/**
 * Makes folders with those above them. Node's own `mkdir` with `recursive` never returns below a folder that takes no new
 * ones and says `ENOENT` of them, as /proc does; not even a stop signal ends it.
 */
import { mkdirSync, statSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isSystemError } from './errors.ts'

/** Permissions of new folders; default as the process has it. */
export interface FolderOptions {
  readonly mode?: number
}

/** The first folder that had to be made, null if all were there. Throws Node's system errors. */
export async function makeFolder(path: string, options: FolderOptions = {}): Promise<string | null> {
  const folder = resolve(path)
  const made = await makeOne(folder, options).catch((error: unknown) => {
    if (isMissingParent(error, folder)) return null
    throw error
  })
  if (made !== null) return made ? folder : null
  const first = await makeFolder(dirname(folder), options)
  return (await makeOne(folder, options)) ? (first ?? folder) : first
}

/** The same, at once. */
export function makeFolderNow(path: string, options: FolderOptions = {}): void {
  const folder = resolve(path)
  try {
    makeOneNow(folder, options)
  } catch (error) {
    if (!isMissingParent(error, folder)) throw error
    makeFolderNow(dirname(folder), options)
    makeOneNow(folder, options)
  }
}

function isMissingParent(error: unknown, folder: string): boolean {
  return isSystemError(error, 'ENOENT') && dirname(folder) !== folder
}

/** False if the folder was there; a link to one will do. */
async function makeOne(folder: string, options: FolderOptions): Promise<boolean> {
  try {
    await mkdir(folder, options)
    return true
  } catch (error) {
    if (mayBeThere(error) && (await stat(folder).catch(() => null))?.isDirectory() === true) return false
    throw error
  }
}

function makeOneNow(folder: string, options: FolderOptions): void {
  try {
    mkdirSync(folder, options)
  } catch (error) {
    if (mayBeThere(error) && statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return
    throw error
  }
}

/** A file system that may not be written says so also of folders that it has. */
function mayBeThere(error: unknown): boolean {
  return isSystemError(error, 'EEXIST', 'EROFS', 'EACCES', 'EPERM', 'EISDIR')
}
