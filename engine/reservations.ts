/** Work that shares a memory: what needs much of it waits for its turn, what needs little runs beside. */

/** Runs `work` once so many bytes are free of other reservations; more than there are in all count as all of them. First come, first served. */
export type Reserve = <T>(bytes: number, work: () => Promise<T>) => Promise<T>

interface Waiting {
  readonly bytes: number
  readonly start: () => void
}

/** Reservations of a memory of `capacityBytes`. Work must not reserve while it holds a reservation. */
export function openReservations(capacityBytes: number): Reserve {
  const queue: Waiting[] = []
  let free = capacityBytes
  const startNext = (): void => {
    for (let next = queue[0]; next !== undefined && next.bytes <= free; next = queue[0]) {
      queue.shift()
      free -= next.bytes
      next.start()
    }
  }
  return async (wanted, work) => {
    const bytes = Math.min(wanted, capacityBytes)
    const turn = new Promise<void>((start) => queue.push({ bytes, start }))
    startNext()
    await turn
    try {
      return await work()
    } finally {
      free += bytes
      startNext()
    }
  }
}
