/** An emulator of Pinecone as a process of a check's own, to be killed, paused and brought back like a service. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { OwnService } from './own-service.ts'

const main = join(import.meta.dirname, '../testing/pinecone/main.ts')

export interface OwnEmulatorOptions {
  readonly dir: string
  /** Default: any that is free. It is the same after each start. */
  readonly port?: number
  /** More words for its command line: `--too-many`, `0.1`. */
  readonly words?: readonly string[]
}

/** Starts it; what it acknowledged is kept in the folder. */
export async function ownEmulator({ dir, port = 0, words = [] }: OwnEmulatorOptions): Promise<OwnService> {
  let url = `http://127.0.0.1:${port}`
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
    child = spawn(
      process.execPath,
      [main, '--port', new URL(url).port || '0', '--dir', dir, '--api-key', 'check', ...words],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const lines = createInterface(child.stdout!)
    const [address] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => Promise.reject(new Error('the emulator ended'))),
    ])) as [string]
    url = address
  }
  await start()
  return {
    env: {
      PINECONE_API_KEY: 'check',
      PINECONE_INDEX: 'check',
      PINECONE_CONTROLLER_HOST: url,
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
