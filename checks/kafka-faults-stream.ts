/** A run that goes on, watched through the lines that it prints. No wait is without an end. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Ended, millrace } from './command.ts'

const patienceMs = 90_000

export interface StreamOptions {
  /** Arguments of the command. */
  readonly run: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** A run as a stream: how many lines of an outcome it has printed, and its end. */
export interface Stream {
  printed(outcome: string): number
  /** Waits for so many more of an outcome's lines. */
  more(outcome: string, count: number): Promise<void>
  readonly ended: Promise<Ended>
  stop(): void
  kill(): void
}

/** Starts one. */
export function streamOf({ run, env }: StreamOptions, more: Readonly<Record<string, string>> = {}): Stream {
  const running = millrace([...run, '--every', '0.2'], { ...env, ...more })
  let text = ''
  running.child.stdout?.on('data', (data: Buffer) => {
    text += data.toString('utf8')
  })
  const printed = (outcome: string) => text.split(`"outcome":"${outcome}"`).length - 1
  return {
    printed,
    async more(outcome, count) {
      const wanted = printed(outcome) + count
      const deadline = performance.now() + patienceMs
      while (printed(outcome) < wanted) {
        if (running.child.exitCode !== null) throw new Error(`the run ended: ${(await running).errors}`)
        if (performance.now() > deadline)
          throw new Error(`not ${count} lines more of ${outcome}:\n${text.slice(-2000)}`)
        await sleep(50)
      }
    },
    ended: running,
    stop: () => running.child.kill('SIGTERM'),
    kill: () => running.child.kill('SIGKILL'),
  }
}

/** Its end, which is made to come when patience is over. */
export async function endOf(running: Stream): Promise<Ended> {
  const late = setTimeout(running.kill, patienceMs)
  const ended = await running.ended
  clearTimeout(late)
  return ended
}
