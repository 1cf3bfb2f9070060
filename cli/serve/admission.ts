/** How many requests work at once, how many wait for their turn, and who is turned away. */
import { MillraceError } from '../../engine/errors.ts'

/** Bounds of an {@link Admission}. */
export interface AdmissionLimits {
  /** Requests that work at the same time. */
  readonly running: number
  /** Requests that may wait beside them; one more is refused. */
  readonly waiting: number
}

/** A bounded queue in front of the stores. */
export interface Admission {
  /**
   * Runs `work` when it is its turn, in the order of arrival. `work` gets a signal that aborts when the caller's does, or when the service stops.
   * A caller whose signal aborts while it waits leaves the queue, and its work never begins. A place is free again when its work has
   * ended, not when its caller has left. Errors: `STORE_BUSY` (retryable) if the queue is full or the service stops.
   */
  run<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Turns away whoever waits and whoever comes. Running work goes on until {@link abort}. */
  stop(): void
  /** Aborts the signals of running work. */
  abort(): void
}

interface Waiting {
  readonly start: () => void
  readonly refuse: (error: unknown) => void
}

/** An admission with nobody in it. */
export function admission({ running: most, waiting: longest }: AdmissionLimits): Admission {
  const ending = new AbortController()
  const queue = new Set<Waiting>()
  let running = 0
  let stopped = false

  function turn(signal: AbortSignal): Promise<void> {
    if (stopped) return Promise.reject(stopping())
    if (running < most) {
      running += 1
      return Promise.resolve()
    }
    if (queue.size >= longest) return Promise.reject(full(longest))
    return new Promise((resolve, reject) => {
      const left = () => {
        queue.delete(waiting)
        reject(signal.reason)
      }
      const waiting: Waiting = {
        start() {
          signal.removeEventListener('abort', left)
          resolve()
        },
        refuse(error) {
          signal.removeEventListener('abort', left)
          reject(error)
        },
      }
      queue.add(waiting)
      signal.addEventListener('abort', left, { once: true })
    })
  }

  function next(): void {
    const [first] = queue
    if (first === undefined) {
      running -= 1
      return
    }
    queue.delete(first) // its place passes on to it
    first.start()
  }

  return {
    async run(signal, work) {
      signal.throwIfAborted()
      await turn(signal)
      try {
        signal.throwIfAborted()
        return await work(AbortSignal.any([signal, ending.signal]))
      } finally {
        next()
      }
    },
    stop() {
      stopped = true
      for (const { refuse } of queue) refuse(stopping())
      queue.clear()
    },
    abort: () => ending.abort(stopping()),
  }
}

function full(longest: number): MillraceError {
  return new MillraceError('STORE_BUSY', `too many requests: ${longest} are waiting (try again later)`, {
    retryable: true,
  })
}

function stopping(): MillraceError {
  return new MillraceError('STORE_BUSY', 'the service is stopping (try again when it is up)', { retryable: true })
}
