/**
 * A file that any number of processes use at once, though its engine lets only one open it: that one serves the others (024). Whoever needs the
 * file opens it, or works through the process that has it open; nobody is appointed.
 */
import { dirname, resolve } from 'node:path'
import type { FileKind, FileSession, Mode } from './contract.ts'
import { type GuestSession, guestSession } from './guest.ts'
import { interruptedBy } from './host.ts'
import { type Owner, openOwner } from './owner.ts'
import { lostOwner, type Patience, type Waiting, waiting } from './waiting.ts'

export interface SharedFileOptions<H> {
  readonly path: string
  readonly kind: FileKind<H>
  readonly patience: Patience
  /** After so long without use the file is let go of, so that programs of others can open it. Default 3,000. */
  readonly idleMs?: number
}

/** How the file is worked with. */
export interface SharedFile<H> {
  /**
   * Runs `work` on a session of its own, beside other sessions; one of them at a time writes. What `work` leaves open is rolled back. If the
   * process that has the file open ends meanwhile, `work` of a reader is run again elsewhere; a writer gets `STORE_BUSY`, retryable, and
   * cannot know whether a commit under way took effect. `signal` ends the waiting and the running statement, and is then what is thrown.
   */
  use<T>(mode: Mode, work: (handle: H) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Lets go of the file, if this process has it open, once its sessions have ended. Whoever uses it then opens it again. */
  release(): Promise<void>
}

/** Files that this process has open, or is opening, by absolute path. */
const owners = new Map<string, Promise<Owner<unknown>>>()

const defaultIdleMs = 3_000

/** The file at `path`; opens nothing yet. All callers of a process share what is open. */
export function sharedFile<H>(options: SharedFileOptions<H>): SharedFile<H> {
  const file = { ...options, path: resolve(options.path) }
  return {
    release: () => release(file.path),
    async use(mode, work, signal) {
      for (;;) {
        const session = await begin(file, mode, signal)
        try {
          return await interruptedBy(signal, session, () => work(session.handle))
        } catch (error) {
          signal?.throwIfAborted()
          if (!isLost(session)) throw error
          if (mode === 'write') throw lostOwner(file.path, session.pid, error)
        } finally {
          const ending = session.end()
          if (signal?.aborted !== true)
            await ending // else it may take until a statement ends that cannot be interrupted
          else ending.catch(() => {})
        }
      }
    },
  }
}

/** Lets go of the files of a folder that this process has open, once they are not used. For the end of a process. */
export async function releaseFilesIn(folder: string): Promise<void> {
  const inside = [...owners.keys()].filter((path) => dirname(path) === resolve(folder))
  await Promise.all(inside.map(release))
}

async function release(path: string): Promise<void> {
  const owner = await owners.get(path)?.catch(() => null) // it could not be opened
  await owner?.close()
}

type AnySession<H> = FileSession<H> | GuestSession<H>

function isLost<H>(session: AnySession<H>): session is GuestSession<H> {
  return 'lost' in session && session.lost
}

/** A session in its turn, here or in the process that has the file open; waits as long as the file's patience says. */
async function begin<H>(file: SharedFileOptions<H>, mode: Mode, signal?: AbortSignal): Promise<AnySession<H>> {
  signal?.throwIfAborted()
  const wait = waiting(file.path, file.patience, signal)
  try {
    for (;;) {
      const session = (await ownSession(file, mode, signal)) ?? (await guestSession(file, mode, wait))
      if (session !== null) return session
      await openHere(file, mode, wait)
    }
  } finally {
    wait.end()
  }
}

/** A session of the file that this process has open; null if it has it not. */
async function ownSession<H>(
  { path }: SharedFileOptions<H>,
  mode: Mode,
  signal: AbortSignal | undefined,
): Promise<FileSession<H> | null> {
  const opening = owners.get(path)
  if (opening === undefined) return null
  const owner = (await opening.catch(() => null)) as Owner<H> | null // who opens it gets the error
  if (owner === null) return null
  const session = owner.isCurrent() ? await owner.begin(mode, signal) : null
  if (session === null) await owner.close()
  return session
}

/** Tries to open the file, once for all callers; pauses where somebody else has it. Errors: those of a file that cannot be opened. */
async function openHere<H>(file: SharedFileOptions<H>, mode: Mode, wait: Waiting): Promise<void> {
  const { path, kind, idleMs = defaultIdleMs } = file
  if (owners.has(path)) return
  const opening = openOwner({ path, kind, mode, idleMs })
  owners.set(path, opening)
  const forget = (): void => void (owners.get(path) === opening && owners.delete(path))
  try {
    const owner = await opening
    void owner.closed.then(forget)
  } catch (error) {
    forget()
    const holder = kind.holderOf(error)
    if (holder === null) throw error
    await wait.pause(holder)
  }
}
