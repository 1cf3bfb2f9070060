/** What figures of different machines are compared by. */
import { recordOf } from '../connectors/tmdb/envelope.ts'
import type { DocumentSet } from './documents.ts'

/** One thread, text to objects, the same records. */
export function parseMegabytesPerSecond(set: DocumentSet): number {
  const texts = set.events.flatMap((event) => recordOf(event).value ?? []).map((value) => Buffer.from(value))
  const rates: number[] = []
  for (let turn = 0; turn < 5; turn += 1) {
    let bytes = 0
    const before = process.cpuUsage()
    for (const text of texts) {
      JSON.parse(text.toString('utf8'))
      bytes += text.length
    }
    const { user, system } = process.cpuUsage(before)
    rates.push(bytes / (user + system))
  }
  return Math.max(...rates)
}
