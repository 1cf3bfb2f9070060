/** A file that this process has open, for callers of this process and, over a socket, of others. */
import { statSync } from 'node:fs'
import type { FileKind, FileSession, Mode, OpenFile } from './contract.ts'
import { type Host, hostFile } from './host.ts'
import { type Turns, turns } from './turns.ts'

/** Readers of one file at a time. Each may keep one thread of Node's pool busy for as long as its statement takes. */
const concurrentReaders = 8

/** How long an owner that ends waits for writers of other processes before it cuts them off; they start again elsewhere. */
const farewellMs = 10_000

export interface OwnerOptions<H> {
  readonly path: string
  readonly kind: FileKind<H>
  /** What the first user wants. */
  readonly mode: Mode
  /** After so long without a session the file is let go of, so that programs of others can open it. */
  readonly idleMs: number
}

/** The file in this process. */
export interface Owner<H> {
  /** A session in its turn; null if the file is being closed or lacks what `mode` needs, so that it must be opened again. */
  begin(mode: Mode, signal?: AbortSignal): Promise<FileSession<H> | null>
  /** Whether the file at the path is still the one that is open here. */
  isCurrent(): boolean
  /**
   * Lets go of the file once its sessions have ended. Readers of other processes are cut off, since they can read again elsewhere; writers of
   * other processes are waited for, up to a limit.
   */
  close(): Promise<void>
  /** Resolves once the file is closed, for whatever reason. */
  readonly closed: Promise<void>
}

/** Opens the file and offers it to other processes. Errors are those of `kind.open`. */
export async function openOwner<H>(options: OwnerOptions<H>): Promise<Owner<H>> {
  const { path, kind } = options
  const file = await kind.open(path, options.mode)
  const inode = inodeOf(path)
  const turn = turns(concurrentReaders)
  const sessions = new Set<Promise<void>>()
  let closing: Promise<void> | null = null
  let idle: NodeJS.Timeout | null = null
  const ended = Promise.withResolvers<void>()

  const owner: Owner<H> = {
    closed: ended.promise,
    isCurrent: () => inode === inodeOf(path),
    async begin(mode, signal) {
      if (closing !== null || file.broken || (mode === 'write' && !file.writable)) {
        void owner.close()
        return null
      }
      const over = Promise.withResolvers<void>()
      sessions.add(over.promise)
      if (idle !== null) clearTimeout(idle)
      const done = (): void => {
        sessions.delete(over.promise)
        over.resolve()
        if (sessions.size === 0) becomeIdle()
      }
      try {
        const leave = await turn.enter(mode, signal)
        return await started(file, { mode, leave, done, alone: turn.alone })
      } catch (error) {
        done()
        throw error
      }
    },
    close() {
      closing ??= shut()
        .catch(() => {}) // what was committed is in the write-ahead log; who opens the file next hears of it
        .finally(ended.resolve)
      return closing
    },
  }
  const host: Host | null = file.writable ? await hostFile({ path, kind, owner }) : null
  becomeIdle()
  return owner

  function becomeIdle(): void {
    if (closing !== null) return
    if (file.broken) return void owner.close()
    // what other processes cannot share is not kept longer than it is used
    idle = setTimeout(() => void owner.close(), host === null ? 0 : options.idleMs)
    idle.unref()
  }

  async function shut(): Promise<void> {
    if (idle !== null) clearTimeout(idle)
    await host?.close(file.broken ? 0 : farewellMs)
    while (sessions.size > 0) await Promise.all(sessions)
    await file.close()
  }
}

interface Start {
  readonly mode: Mode
  readonly leave: () => void
  readonly done: () => void
  readonly alone: Turns['alone']
}

/** A session that gives up its turn when it ends. */
async function started<H>(file: OpenFile<H>, { mode, leave, done, alone }: Start): Promise<FileSession<H>> {
  const over = (): void => {
    leave()
    done()
  }
  let session: FileSession<H>
  try {
    session = await file.session(mode)
  } catch (error) {
    leave()
    throw error
  }
  let ending: Promise<void> | null = null
  const end = async (): Promise<void> => {
    try {
      await session.end()
      if (mode === 'write' && !file.broken) await file.afterWrite?.(alone)
    } finally {
      over()
    }
  }
  return {
    handle: session.handle,
    interrupt: () => session.interrupt(),
    end() {
      ending ??= end()
      return ending
    },
  }
}

/** What tells a file from another one of the same name; null where there is none. */
function inodeOf(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? null : `${found.dev}/${found.ino}`
}
