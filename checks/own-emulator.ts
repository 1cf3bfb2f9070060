/** An emulator of Pinecone as a process of a check's own, to be killed, paused and brought back like a service. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { OwnService } from './own-service.ts'

const main = join(import.meta.dirname, '../testing/pinecone/main.ts')

/** Starts it; what it acknowledged is kept in the folder. */
export async function ownEmulator({ dir, port }: { readonly dir: string; readonly port: number }): Promise<OwnService> {
  let child: ChildProcess | null = null
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child
    child = null
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return
    const exit = once(ending, 'exit')
    ending.kill(signal)
    await exit
  }
  const start = async (): Promise<void> => {
    if (child !== null) return
    child = spawn(process.execPath, [main, '--port', String(port), '--dir', dir, '--api-key', 'check'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface(child.stdout!)
    await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => Promise.reject(new Error('the emulator ended'))),
    ])
  }
  await start()
  return {
    env: {
      PINECONE_API_KEY: 'check',
      PINECONE_INDEX: 'check',
      PINECONE_CONTROLLER_HOST: `http://127.0.0.1:${port}`,
    },
    start,
    kill: () => end('SIGKILL'),
    pause: async () => void child?.kill('SIGSTOP'),
    resume: async () => void child?.kill('SIGCONT'),
    async wipe() {
      await end('SIGKILL')
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
