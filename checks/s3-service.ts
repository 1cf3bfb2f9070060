/** An S3 service of a check's own, to be killed, paused and brought back. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** One service of its own. */
export interface OwnService {
  /** What the environment of its clients holds. */
  readonly env: Readonly<Record<string, string>>
  start(): Promise<void>
  /** SIGTERM, and its data goes. */
  wipe(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP. */
  pause(): Promise<void>
  resume(): Promise<void>
}

/** Starts a service through the command that starts services, with its data in a folder. */
export async function ownService(services: string, dir: string, port: number): Promise<OwnService> {
  const command = async (verb: string): Promise<string> => {
    const env = { ...process.env, SERVICES_RUN: dir, S3_PORT: String(port) }
    return (await execute(services, [verb, 's3'], { env, timeout: 290_000 })).stdout
  }
  const printed = await command('start')
  const lines = [...printed.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name!, value!] as const)
  const run = (verb: string) => async () => void (await command(verb))
  return {
    env: Object.fromEntries(lines),
    start: run('start'),
    wipe: run('wipe'),
    kill: run('kill'),
    pause: run('pause'),
    resume: run('resume'),
  }
}
