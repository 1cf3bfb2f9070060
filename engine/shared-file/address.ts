/** Where the process that has a file open can be reached: a socket beside the file, in a folder that only its user may enter. */
import { chmodSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, symlinkSync } from 'node:fs'
import { connect as connectSocket, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** Longest path of a socket that every system takes, in bytes. */
const longestPath = 100

function socketOf(path: string): string {
  return join(`${path}.owner`, 'socket')
}

/**
 * Listens for other processes, for the one process that has the file open. A socket that a killed one left is removed. Rejects where the file
 * system, or the operating system, has no such sockets.
 */
export async function listen(server: Server, path: string): Promise<void> {
  if (process.platform === 'win32') throw new Error('named pipes would be open to other users')
  const socket = socketOf(path)
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 })
  chmodSync(dirname(socket), 0o700)
  rmSync(socket, { force: true })
  await shortened(socket, async (short) => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(short, () => {
        server.off('error', reject)
        resolve()
      })
    })
  })
  chmodSync(socket, 0o600)
}

/** Removes the socket, while the file is still held. */
export function removeAddress(path: string): void {
  try {
    rmSync(socketOf(path), { force: true })
    rmdirSync(dirname(socketOf(path)))
  } catch {
    // nobody listens there: whoever opens the file next removes it
  }
}

/** A connection to the process that has the file open; null if nobody listens. */
export function connect(path: string): Promise<Socket | null> {
  return shortened(
    socketOf(path),
    (short) =>
      new Promise<Socket | null>((resolve) => {
        const socket = connectSocket(short)
        socket.once('connect', () => {
          socket.off('error', nobody)
          resolve(socket)
        })
        const nobody = (): void => resolve(null)
        socket.once('error', nobody)
      }),
  ).catch(() => null)
}

/** Runs `work` with a path of the same socket that is short enough: over a link to its folder, where its own is too long. */
async function shortened<T>(socket: string, work: (short: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(socket) <= longestPath) return work(socket)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
  try {
    symlinkSync(dirname(socket), join(folder, 's'))
    return await work(join(folder, 's', 'socket'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
