/** CPU time of brokers on this machine. They share it with what is measured, and count apart from it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'

/** Kernels tell CPU time in hundredths of a second. */
const ticksPerSecond = 100
const listening = '0A'

/** Seconds that the brokers have used by now; null where their processes are not found (elsewhere, no `/proc`). */
export function brokerCpuSeconds({ brokers }: Pick<KafkaSettings, 'brokers'>): number | null {
  try {
    const pids = new Set(brokers.map((broker) => listenerOf(Number(broker.split(':')[1] ?? 9092))))
    return [...pids].reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  } catch {
    return null
  }
}

/** What `work` made the brokers use. */
export async function withBrokerCpu<T>(
  kafka: KafkaSettings,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly brokerCpuSeconds: number | null }> {
  const before = brokerCpuSeconds(kafka)
  const result = await work()
  const after = brokerCpuSeconds(kafka)
  const used = before === null || after === null ? null : Math.round((after - before) * 10) / 10
  return { result, brokerCpuSeconds: used }
}

function listenerOf(port: number): number {
  const inodes = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => socketsOn(table, port)))
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    for (const link of openFiles(pid)) if (inodes.has(link)) return Number(pid)
  throw new Error(`no process listens on port ${port}`)
}

/** Links of the sockets that listen, as a process's open files show them. */
function socketsOn(table: string, port: number): string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync(table, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hexPort}`) && fields[3] === listening)
    .map((fields) => `socket:[${fields[9]}]`)
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
  } catch {
    return [] // gone, or somebody else's
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}

/** What a process of this machine has used of all cores since its start. Where there is no `/proc`, an error. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // begins with the third
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
