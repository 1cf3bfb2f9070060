/** A session in the process that has the file open. */
import type { Socket } from 'node:net'
import { connect } from './address.ts'
import type { FileKind, FileSession, Mode } from './contract.ts'
import { type Incoming, incoming, send } from './frames.ts'
import { errorOf, protocolVersion, type Reply } from './protocol.ts'
import type { Waiting } from './waiting.ts'

/** A session of another process. */
export interface GuestSession<H> extends FileSession<H> {
  readonly pid: number
  /** True once the connection was lost, other than by `end` or `interrupt`: whether the last statement took effect is not known. */
  readonly lost: boolean
}

/** A session in its turn; null if no process serves the file (any more). Rejects with the reason of the wait's signal. */
export async function guestSession<H>(
  { path, kind }: { readonly path: string; readonly kind: FileKind<H> },
  mode: Mode,
  wait: Waiting,
): Promise<GuestSession<H> | null> {
  const socket = await connect(path)
  if (socket === null) return null
  const from = incoming(socket)
  const reply = await wait.turn((signal) => admitted(socket, from, { mode, signal }))
  if (reply?.type === 'ready') return session(socket, from, { kind, pid: reply.pid })
  socket.destroy()
  return null
}

async function admitted(
  socket: Socket,
  from: Incoming,
  { mode, signal }: { readonly mode: Mode; readonly signal: AbortSignal },
): Promise<Reply | null> {
  const leave = (): void => void socket.destroy()
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    await send(socket, { protocol: protocolVersion, mode })
    const reply = (await from.next()) as Reply | null
    signal.throwIfAborted()
    return reply
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

function session<H>(
  socket: Socket,
  from: Incoming,
  { kind, pid }: { readonly kind: FileKind<H>; readonly pid: number },
): GuestSession<H> {
  let ended = false
  const gone = (): Error => new Error(`the connection to process ${pid} was ${ended ? 'ended' : 'lost'}`)
  const close = (): void => {
    ended = true
    socket.destroy()
  }
  async function* call(method: string, parameters: readonly unknown[]): AsyncIterable<unknown> {
    let answered = false
    try {
      await send(socket, { method, parameters })
      for (;;) {
        const reply = (await from.next()) as Reply | null
        if (reply === null) throw gone()
        answered = reply.type !== 'part'
        if (reply.type === 'error') throw errorOf(reply.error)
        if (reply.type !== 'part') return
        yield reply.part
      }
    } finally {
      if (!answered && !from.closed.aborted) close() // of a result that is not wanted to its end the rest is still to come
    }
  }
  return {
    handle: kind.remote(call),
    pid,
    get lost() {
      return !ended && from.closed.aborted
    },
    interrupt: close,
    async end() {
      close()
    },
  }
}
