/** Who may work on a file: any number of readers up to a limit, and one writer beside them. First come, first served. */
import type { Mode } from './contract.ts'

export interface Turns {
  /** Waits for a turn; the returned function ends it. Rejects with the signal's reason. */
  enter(mode: Mode, signal?: AbortSignal): Promise<() => void>
  /**
   * For the writer: runs `work` while nobody reads. Readers that come are held back for `patienceMs` at most; false, and `work` is not run, if
   * those that are there do not end by then.
   */
  alone(work: () => Promise<void>, patienceMs: number): Promise<boolean>
}

interface Waiter {
  readonly mode: Mode
  readonly admit: () => void
}

/** @param readers how many may read at a time */
export function turns(readers: number): Turns {
  let reading = 0
  let writing = false
  let heldBack = false
  let waiters: Waiter[] = []
  const admitted = (mode: Mode): boolean => (mode === 'write' ? !writing : !heldBack && reading < readers)
  let noReader: (() => void) | null = null

  const leave = (mode: Mode): void => {
    if (mode === 'write') writing = false
    else reading -= 1
    if (reading === 0) noReader?.()
    admitWaiting()
  }
  const take = (mode: Mode): (() => void) => {
    if (mode === 'write') writing = true
    else reading += 1
    let left = false
    return () => {
      if (left) return
      left = true
      leave(mode)
    }
  }
  const admitWaiting = (): void => {
    for (const waiter of [...waiters]) {
      if (!admitted(waiter.mode)) continue
      waiters = waiters.filter((other) => other !== waiter)
      waiter.admit()
    }
  }
  return {
    enter(mode, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason)
      if (admitted(mode) && !waiters.some((waiter) => waiter.mode === mode)) return Promise.resolve(take(mode))
      return new Promise((resolve, reject) => {
        const abandon = (): void => {
          waiters = waiters.filter((other) => other !== waiter)
          reject(signal?.reason)
        }
        const waiter: Waiter = {
          mode,
          admit: () => {
            signal?.removeEventListener('abort', abandon)
            resolve(take(mode))
          },
        }
        waiters.push(waiter)
        signal?.addEventListener('abort', abandon, { once: true })
      })
    },
    async alone(work, patienceMs) {
      heldBack = true
      try {
        if (!(await noReaderWithin(patienceMs))) return false
        await work()
        return true
      } finally {
        heldBack = false
        admitWaiting()
      }
    },
  }

  function noReaderWithin(patienceMs: number): Promise<boolean> {
    if (reading === 0) return Promise.resolve(true)
    return new Promise((resolve) => {
      const settle = (none: boolean): void => {
        clearTimeout(timer)
        noReader = null
        resolve(none)
      }
      const timer = setTimeout(() => settle(false), patienceMs)
      noReader = () => settle(true)
    })
  }
}
