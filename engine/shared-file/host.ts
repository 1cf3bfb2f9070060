/** Serves a file to other processes. */
import { createServer, type Socket } from 'node:net'
import { listen, removeAddress } from './address.ts'
import type { FileKind, FileSession, Mode } from './contract.ts'
import { type Incoming, incoming, send } from './frames.ts'
import { type Call, type Hello, plainError, protocolVersion, type Reply } from './protocol.ts'

/** What serves the sessions of other processes. */
export interface Host {
  /** Takes no more sessions and ends those there are: readers now, writers when they are done, at the latest after `farewellMs`. */
  close(farewellMs: number): Promise<void>
}

interface HostOptions<H> {
  readonly path: string
  readonly kind: FileKind<H>
  readonly owner: { begin(mode: Mode, signal?: AbortSignal): Promise<FileSession<H> | null> }
}

/** Offers the file at a socket beside it; null where there can be none. */
export async function hostFile<H>({ path, kind, owner }: HostOptions<H>): Promise<Host | null> {
  const guests = new Map<Socket, Mode | null>()
  const running = new Set<Promise<void>>()
  let refusing = false
  const server = createServer((socket) => {
    if (refusing) return void socket.destroy()
    guests.set(socket, null)
    const from = incoming(socket)
    const over = serveGuest({ kind, owner, socket, from, onMode: (mode) => guests.set(socket, mode) })
      .catch(() => {}) // the guest is gone, or says what nobody understands
      .finally(() => {
        socket.destroy()
        guests.delete(socket)
        running.delete(over)
      })
    running.add(over)
  })
  try {
    await listen(server, path)
  } catch {
    server.close()
    return null // others take turns at the file instead
  }
  server.on('error', () => {}) // a connection that could not be accepted: its guest tries again
  server.unref()
  return {
    async close(farewellMs) {
      refusing = true
      server.close()
      removeAddress(path)
      for (const [socket, mode] of guests) if (mode !== 'write') socket.destroy()
      const cut = setTimeout(() => {
        for (const socket of guests.keys()) socket.destroy()
      }, farewellMs)
      await Promise.all(running)
      clearTimeout(cut)
    },
  }
}

interface Guest<H> extends Omit<HostOptions<H>, 'path'> {
  readonly socket: Socket
  readonly from: Incoming
  readonly onMode: (mode: Mode) => void
}

async function serveGuest<H>({ kind, owner, socket, from, onMode }: Guest<H>): Promise<void> {
  const reply = (value: Reply): Promise<void> => send(socket, value)
  const hello = (await from.next()) as Hello | null
  if (hello === null || hello.protocol !== protocolVersion) return
  onMode(hello.mode)
  const session = await owner.begin(hello.mode, from.closed)
  if (session === null) return reply({ type: 'gone' })
  try {
    await reply({ type: 'ready', pid: process.pid })
    for (let call = await from.next(); call !== null; call = await from.next())
      await interruptedBy(from.closed, session, () => answer(kind, session.handle, call as Call, reply))
  } finally {
    await session.end()
  }
}

async function answer<H>(
  kind: FileKind<H>,
  handle: H,
  { method, parameters }: Call,
  reply: (value: Reply) => Promise<void>,
): Promise<void> {
  try {
    for await (const part of kind.serve(handle, method, parameters)) await reply({ type: 'part', part })
  } catch (error) {
    return reply({ type: 'error', error: plainError(error) })
  }
  await reply({ type: 'done' })
}

/** Every so often, since a statement that has not quite begun takes no notice. */
const interruptEveryMs = 20

/** Runs `work`, which interrupts its session's statements once `signal` is aborted. */
export async function interruptedBy<T>(
  signal: AbortSignal | undefined,
  session: Pick<FileSession<unknown>, 'interrupt'>,
  work: () => Promise<T>,
): Promise<T> {
  if (signal === undefined) return work()
  let timer: NodeJS.Timeout | null = null
  const begin = (): void => {
    session.interrupt()
    timer = setInterval(() => session.interrupt(), interruptEveryMs)
  }
  if (signal.aborted) begin()
  else signal.addEventListener('abort', begin, { once: true })
  try {
    return await work()
  } finally {
    signal.removeEventListener('abort', begin)
    if (timer !== null) clearInterval(timer)
  }
}
