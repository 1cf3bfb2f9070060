/**
 * Reads a topic to its end with one of the clients and prints what it cost, as one JSON line. A process of its own for
 * every measurement. Started by `kafka-clients.bench.ts`:
 *
 *   node bench/read-topic.ts <client> <topic> <records>
 */
import { cluster } from './options.ts'
import { peakMemoryMiB } from './peak-memory.ts'
import { topicReaders } from './topic-readers.ts'

/** What reading a topic cost. */
export interface ReadCost {
  readonly records: number
  /** Of keys and values. */
  readonly bytes: number
  /** From connecting to the last record. */
  readonly wallSeconds: number
  /** Over the same time. */
  readonly cpuSeconds: number
  readonly peakMemoryMiB: number
}

const [client = '', topic = '', records = '0'] = process.argv.slice(2)
const kafka = cluster()
const open = topicReaders[client as keyof typeof topicReaders]
if (kafka === null || open === undefined)
  throw new Error(
    `usage: read-topic.ts <${Object.keys(topicReaders).join('|')}> <topic> <records>, with KAFKA_BROKERS set`,
  )
const read = await open()
const cpuBefore = process.cpuUsage()
const startedMs = performance.now()
const { close, ...tally } = await read({ kafka, topic, records: Number(records) })
const wallSeconds = (performance.now() - startedMs) / 1000
const { user, system } = process.cpuUsage(cpuBefore)
const cost: ReadCost = { ...tally, wallSeconds, cpuSeconds: (user + system) / 1e6, peakMemoryMiB: peakMemoryMiB() }
console.log(JSON.stringify(cost))
await close()
