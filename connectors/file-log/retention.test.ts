import { readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { producerIn, texts, withFolder } from './log.testing.ts'
import { fileLogSource } from './source.ts'

const day = 86_400_000

/** A topic of one partition with a segment a record, each of which was written a day after the one before it. */
async function dailyTopic(dir: string, records: number): Promise<void> {
  const producer = await producerIn(dir, { segmentBytes: 1 })
  await producer.createTopic('t', 1)
  for (let i = 0; i < records; i++) await producer.append('t', texts(0, `record ${i}`))
  await producer.close()
  for (const name of readdirSync(join(dir, 't', '0')).filter((each) => each.endsWith('.log'))) {
    const writtenS = (Number(name.slice(0, 20)) * day) / 1000
    utimesSync(join(dir, 't', '0', name), writtenS, writtenS)
  }
}

function reader(dir: string, group: string, nowMs: () => number, retention = { ms: 3 * day, bytes: 2 ** 30 }) {
  const clock = { nowMs, sleep: async () => {} }
  return fileLogSource({ dir, choice: { topic: 't' }, clock, group, retention })
}

const at = (offset: number) => new Map([['t/0', BigInt(offset)]])

async function earliest(dir: string): Promise<bigint> {
  return (await reader(dir, 'looks', () => 0).start()).get('t/0')!
}

test('records go that every group has read and that are older than the retention', async () => {
  await withFolder(async (dir) => {
    await dailyTopic(dir, 10)
    const [fast, slow] = ['fast', 'slow / one'].map((group) => reader(dir, group, () => 9 * day))
    await slow!.commitOffsets(at(2))
    await fast!.commitOffsets(at(10))
    expect(await earliest(dir)).toBe(2n) // the slow one still has to read it
    await reader(dir, 'slow / one', () => 9 * day).commitOffsets(at(10))
    expect(await earliest(dir)).toBe(6n) // written on day 6, three days ago
    rmSync(join(dir, '_groups'), { recursive: true })
    await reader(dir, 'fast', () => 100 * day).commitOffsets(at(10))
    expect(await earliest(dir)).toBe(9n) // the last segment always stays
  })
})

test('of records that were read, no more are kept than the partition may hold', async () => {
  await withFolder(async (dir) => {
    await dailyTopic(dir, 6)
    await reader(dir, 'group', () => 0, { ms: 1000 * day, bytes: 1 }).commitOffsets(at(4))
    expect(await earliest(dir)).toBe(4n)
  })
})

test('a group that reads another partition holds nothing back, and one whose note is damaged everything', async () => {
  await withFolder(async (dir) => {
    await dailyTopic(dir, 6)
    await reader(dir, 'other', () => 0).commitOffsets(new Map([['u/0', 0n]]))
    writeFileSync(join(dir, '_groups', 'damaged.json'), '{')
    await reader(dir, 'group', () => 100 * day).commitOffsets(at(6))
    expect(await earliest(dir)).toBe(0n)
    rmSync(join(dir, '_groups', 'damaged.json'))
    await reader(dir, 'group', () => 100 * day).commitOffsets(at(6))
    expect(await earliest(dir)).toBe(5n)
  })
})

test('whatever groups read in whatever order, no record goes that one of them has still to read', async () => {
  const steps = fc.array(fc.record({ group: fc.nat(2), offset: fc.nat(8), days: fc.nat(4) }), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(steps, (moves) =>
      withFolder(async (dir) => {
        await dailyTopic(dir, 8)
        const read = new Map([0, 1, 2].map((group) => [group, 0]))
        for (const group of read.keys()) await reader(dir, `g${group}`, () => 0).commitOffsets(at(0))
        let now = 0
        for (const { group, offset, days } of moves) {
          now += days * day
          read.set(group, Math.max(offset, read.get(group)!))
          await reader(dir, `g${group}`, () => now).commitOffsets(at(read.get(group)!))
          const kept = await earliest(dir)
          expect(Number(kept)).toBeLessThanOrEqual(Math.min(...read.values()))
          expect(Number(kept) * day).toBeLessThanOrEqual(Math.max(0, now - 2 * day))
        }
      }),
    ),
    { numRuns: 8 },
  )
})
