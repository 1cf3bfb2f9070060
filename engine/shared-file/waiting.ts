/** How long to wait for a file that somebody else has open, and who is informed. */
import type { Clock } from '../contracts.ts'
import { MillraceError } from '../errors.ts'

/** A wait that has lasted a while. */
export interface StoreWait {
  readonly path: string
  /** `process 4711`, where that is known. */
  readonly holder: string
  readonly waitedMs: number
}

/** How patient a process is. */
export interface Patience {
  /** After so long a wait ends with `STORE_BUSY`. Infinity while streaming. */
  readonly limitMs: number
  readonly clock: Clock
  /** Somebody wants the process to stop: who finds the file held waits no more, who waits for another process only a little. */
  readonly giveUp?: AbortSignal
  /** Called after some seconds of waiting, and then every minute. */
  readonly onWait?: (wait: StoreWait) => void
}

/** Of a command that ends by itself. */
export function commandPatience(clock: Clock): Patience {
  return { limitMs: commandLimitMs, clock }
}

/** One caller's wait. */
export interface Waiting {
  /** Aborted with `STORE_BUSY` once the wait is over in vain, or with the reason of the caller's own signal. */
  readonly signal: AbortSignal
  /** Sleeps before the next try at a file that `holder` has open. Throws the signal's reason. */
  pause(holder: string): Promise<void>
  /** Runs `work`, which waits for a turn in the process that has the file open: for no shorter time than a command is patient. */
  turn<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** To be called when the wait is over. */
  end(): void
}

const commandLimitMs = 60_000
const firstWarningMs = 5_000
const nextWarningMs = 60_000
/** For a turn, where the process is to stop. */
const graceMs = 5_000

/** A wait for the file at `path`. It begins with the first thing that is waited for. */
export function waiting(path: string, patience: Patience, signal?: AbortSignal): Waiting {
  const { clock, limitMs, giveUp, onWait } = patience
  const over = new AbortController()
  const ended = new AbortController()
  const any = AbortSignal.any([over.signal, ...(signal === undefined ? [] : [signal])])
  let startedMs: number | null = null
  let holder = ''
  let limit = limitMs
  let pauseMs = 10
  const stop = (): void => over.abort(busyStore(path, holder))
  const stopSoon = (): void => void clock.sleep(graceMs, ended.signal).then(() => ended.signal.aborted || stop())
  const begin = (by: string, forMs: number): void => {
    holder = by
    limit = forMs
    if (startedMs !== null) return
    startedMs = clock.nowMs()
    void watch(startedMs)
    if (giveUp?.aborted) stopSoon()
    else giveUp?.addEventListener('abort', stopSoon, { once: true })
  }
  return {
    signal: any,
    async pause(by) {
      begin(by, limitMs)
      if (giveUp?.aborted) stop()
      any.throwIfAborted()
      await clock.sleep(pauseMs, any)
      any.throwIfAborted()
      pauseMs = Math.min(pauseMs * 2, 200)
    },
    turn(work) {
      begin('another user of it', Math.max(limitMs, commandLimitMs))
      return work(any)
    },
    end() {
      giveUp?.removeEventListener('abort', stopSoon)
      ended.abort()
    },
  }

  async function watch(fromMs: number): Promise<void> {
    for (let sleepMs = firstWarningMs; ; sleepMs = nextWarningMs) {
      await clock.sleep(Math.min(sleepMs, fromMs + limit - clock.nowMs()), ended.signal)
      if (ended.signal.aborted) return
      const waitedMs = clock.nowMs() - fromMs
      if (waitedMs >= limit) return stop()
      onWait?.({ path, holder, waitedMs })
    }
  }
}

/** What ends a wait in vain. */
export function busyStore(path: string, holder: string): MillraceError {
  return new MillraceError('STORE_BUSY', `store ${path} is held by ${holder} (try again when it is done)`, {
    retryable: true,
    context: { path, holder },
  })
}

/** The process through which a writer worked has ended. */
export function lostOwner(path: string, pid: number, cause: unknown): MillraceError {
  return new MillraceError(
    'STORE_BUSY',
    `store ${path}: process ${pid}, which had it open, ended in between (try again: what was not committed was rolled back)`,
    { retryable: true, context: { path, pid }, cause },
  )
}
