/**
 * A process that appends scripted batches to `<dir>` (argument 1), topic `t`, partition 0, without end, to be killed at
 * any moment. It begins with the batch that the log has last, sent again.
 */
import { pathToFileURL } from 'node:url'
import { systemClock } from '../../engine/clock.ts'
import { batchOf, producerIn, readTexts } from './log.testing.ts'
import { fileLogSource } from './source.ts'

/** Texts of batch `n`, each telling its place and of a length that differs: `<batch> <index>/<count> xxx`. */
export function scriptedTexts(n: number): string[] {
  const count = 1 + (n % 7) * 5
  return Array.from({ length: count }, (_, i) => `${n} ${i}/${count} ${'x'.repeat(((n * 31 + i * 17) % 97) * 100)}`)
}

async function appendForever(dir: string): Promise<never> {
  const latest = (await fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock }).latest()).get('t/0')!
  const last = latest === 0n ? [] : await readTexts(dir, 't/0', latest - 1n, latest)
  const producer = await producerIn(dir, { producerId: 'scripted', segmentBytes: 1_000_000 })
  for (let n = Number(last[0]?.split(' ')[0] ?? 0); ; n += 1) {
    const records = scriptedTexts(n).map((text) => ({
      partition: 0,
      key: null,
      value: Buffer.from(text),
      timestampMs: n,
    }))
    await producer.append('t', batchOf(records), { sequence: BigInt(n) })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await appendForever(process.argv[2]!)
