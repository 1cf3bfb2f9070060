/** Brokers of a check's own, to be killed, paused and brought back. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export interface BrokersOptions {
  /** The command that starts and stops services. */
  readonly services: string
  /** Folder for data and logs. */
  readonly dir: string
  readonly port: number
  readonly nodes: number
}

/** One cluster of its own. */
export interface Brokers {
  /** `host:port` of each. */
  readonly addresses: readonly string[]
  /** Where the node keeps its topics' partitions. */
  dataDir(node: number): string
  start(): Promise<void>
  /** SIGTERM. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGKILL of one of several. */
  killNode(node: number): void
  /** SIGSTOP. */
  pause(): Promise<void>
  resume(): Promise<void>
}

/** Starts nothing yet. */
export function ownBrokers({ services, dir, port, nodes }: BrokersOptions): Brokers {
  const env = { ...process.env, SERVICES_RUN: dir, KAFKA_PORT: String(port), KAFKA_NODES: String(nodes) }
  const command = async (verb: string): Promise<void> => {
    await execute(services, [verb, 'kafka'], { env: { ...env, KAFKA_HEAP: '400m' }, timeout: 300_000 })
  }
  const home = join(dir, 'kafka')
  return {
    addresses: Array.from({ length: nodes }, (_, i) => `127.0.0.1:${port + i}`),
    dataDir: (node) => join(home, 'data', String(node)),
    start: () => command('start'),
    stop: () => command('stop'),
    kill: () => command('kill'),
    killNode: (node) => {
      process.kill(-Number(readFileSync(join(home, `broker${node}.pid`), 'utf8')), 'SIGKILL')
    },
    pause: () => command('pause'),
    resume: () => command('resume'),
  }
}
