/** A file that one process opens and that others use through it: what a kind of file must be able to do. */

/** What a user of the file does with it. A `read` session cannot change it. */
export type Mode = 'read' | 'write'

/** How files of one kind are opened, worked with, and worked with from another process. */
export interface FileKind<H> {
  /**
   * Opens the file; `mode` says what the first user wants. A file that is not there is made for `write` alone. Where the file cannot be
   * written (permissions, a full disk) it may be opened for reading alone, which `OpenFile.writable` tells.
   * Errors: whatever `holderOf` knows, and those that say that the file cannot be opened.
   */
  open(path: string, mode: Mode): Promise<OpenFile<H>>
  /** Who has the file open, if that is why `open` failed; null for any other error. */
  holderOf(error: unknown): string | null
  /** Runs what a user in another process calls; the parts of the result, in order. */
  serve(handle: H, method: string, parameters: readonly unknown[]): AsyncIterable<unknown>
  /** A handle whose statements are run by the process that has the file open. */
  remote(call: RemoteCall): H
}

/** Calls a method of the handle in the other process. */
export type RemoteCall = (method: string, parameters: readonly unknown[]) => AsyncIterable<unknown>

/** A file that this process has open. */
export interface OpenFile<H> {
  /** False: reading alone is possible. */
  readonly writable: boolean
  /** True once the engine has given up on the file: it must be closed and opened again. */
  readonly broken: boolean
  /** For one user. Sessions of one file run beside each other; at most one of them writes. */
  session(mode: Mode): Promise<FileSession<H>>
  /**
   * Called after each write session, before the next one begins. `alone` runs its work while there is no reader either: those that come are held
   * back, and it gives false where those that are there do not end within `patienceMs`.
   */
  afterWrite?(alone: (work: () => Promise<void>, patienceMs: number) => Promise<boolean>): Promise<void>
  close(): Promise<void>
}

/** One user's statements, one after another. */
export interface FileSession<H> {
  readonly handle: H
  /** Ends the statement that is running, as soon as the engine can; it rejects. */
  interrupt(): void
  /** Undoes a transaction that is open and gives back what the session holds. */
  end(): Promise<void>
}
