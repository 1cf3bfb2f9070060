/** A service of a check's own, to be killed, paused and brought back. */
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

/** Which service, where its data is, and its port. */
export interface OwnServiceOptions {
  readonly name: 's3' | 'clickhouse' | 'neo4j' | 'kafka'
  readonly dir: string
  readonly port: number
}

/** Starts a service through the command that starts services, with its data in a folder. */
export async function ownService(services: string, { name, dir, port }: OwnServiceOptions): Promise<OwnService> {
  const command = async (verb: string): Promise<string> => {
    const env = { ...process.env, SERVICES_RUN: dir, [`${name.toUpperCase()}_PORT`]: String(port) }
    return (await execute(services, [verb, name], { env, timeout: 290_000 })).stdout
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
