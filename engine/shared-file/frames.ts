/** Values over a socket: each as its length and V8's serialization of it, which keeps 64-bit numbers, bytes and dates. */
import type { Socket } from 'node:net'
import { deserialize, serialize } from 'node:v8'

/** Sends a value, and waits while the other side is behind. Does nothing on a socket that is gone: reading from it tells. */
export async function send(socket: Socket, value: unknown): Promise<void> {
  const body = serialize(value)
  const head = Buffer.alloc(4)
  head.writeUInt32LE(body.length)
  socket.cork()
  socket.write(head)
  const ready = socket.write(body)
  socket.uncork()
  if (!ready && !socket.destroyed) await drained(socket)
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}

/** Values that come from a socket. */
export interface Incoming {
  /** The next one; null once the socket is closed. */
  next(): Promise<unknown>
  /** Aborted when the socket is closed, from either side. */
  readonly closed: AbortSignal
}

/** Reads values from a socket; errors of the socket are its end. */
export function incoming(socket: Socket): Incoming {
  const closed = new AbortController()
  const values: unknown[] = []
  let waiting: ((value: unknown) => void) | null = null
  const take = reassembled((value) => {
    if (waiting === null) values.push(value)
    else {
      waiting(value)
      waiting = null
    }
  })
  socket.on('data', take)
  socket.on('error', () => {}) // 'close' follows
  socket.on('close', () => {
    closed.abort()
    waiting?.(null)
    waiting = null
  })
  return {
    closed: closed.signal,
    next() {
      if (values.length > 0) return Promise.resolve(values.shift())
      if (closed.signal.aborted) return Promise.resolve(null)
      return new Promise((resolve) => {
        waiting = resolve
      })
    },
  }
}

/** Puts values together from the pieces in which their bytes come. */
function reassembled(emit: (value: unknown) => void): (piece: Buffer) => void {
  let pieces: Buffer[] = []
  let size = 0
  let wanted: number | null = null
  const bytes = (count: number): Buffer => {
    const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    pieces = [all.subarray(count)]
    size -= count
    return all.subarray(0, count)
  }
  return (piece) => {
    pieces.push(piece)
    size += piece.length
    for (;;) {
      if (wanted === null) {
        if (size < 4) return
        wanted = bytes(4).readUInt32LE()
      }
      if (size < wanted) return
      const body = bytes(wanted)
      wanted = null
      emit(deserialize(body))
    }
  }
}
