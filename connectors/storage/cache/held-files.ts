/**
 * Files that a process was handed, under names of its own: hard links, so that they outlive their place in the cache.
 * They stay until nothing can need them any more.
 */
import { readdirSync, rmSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../../engine/contracts.ts'
import { isAbandoned, processName } from '../../../engine/process-name.ts'

/** The files that this process holds. */
export interface HeldFiles {
  /** The folder of the links; it need not exist. */
  readonly dir: string
  /** Says, before a file is handed out, that it is wanted from now on. */
  want(name: string): void
  /** Everything wanted until the returned function is called stays until then. */
  hold(): () => void
  /** Removes all links. */
  close(): void
}

/** Least time that a file stays after it was handed out, for what is read outside of any hold. */
const graceMs = 10 * 60_000

interface Held {
  wantedMs: number
  readonly holds: Set<symbol>
}

/** @param root holds a folder of links for each process, `<process name>~<id>`; those of dead ones are removed */
export function heldFiles(root: string, id: string, clock: Clock): HeldFiles {
  const dir = join(root, `${processName()}~${id}`)
  const files = new Map<string, Held>()
  const holds = new Set<symbol>()
  dropAbandoned(root, clock.nowMs())

  function release(hold: symbol): void {
    holds.delete(hold)
    for (const [name, held] of files) {
      held.holds.delete(hold)
      if (held.holds.size > 0 || clock.nowMs() - held.wantedMs < graceMs) continue
      files.delete(name)
      remove(join(dir, name)) // at once: between here and its return nobody can want it again
    }
  }
  return {
    dir,
    want(name) {
      const held = files.get(name) ?? { wantedMs: 0, holds: new Set() }
      held.wantedMs = clock.nowMs()
      for (const hold of holds) held.holds.add(hold)
      files.set(name, held)
    },
    hold() {
      const hold = Symbol('hold')
      holds.add(hold)
      return () => release(hold)
    },
    close: () => rmSync(dir, { recursive: true, force: true }),
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // gone already, with the whole cache
  }
}

/** Before there were process names, folders were called `<pid>-<id>`. */
function dropAbandoned(root: string, nowMs: number): void {
  for (const name of namesIn(root)) {
    const owner = name.split(name.includes('~') ? '~' : '-')[0]!
    if (isAbandoned(join(root, name), owner, nowMs)) rmSync(join(root, name), { recursive: true, force: true })
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return [] // there is no cache yet
  }
}
