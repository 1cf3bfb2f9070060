import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../engine/clock.ts'
import type { Position } from '../../engine/contracts.ts'
import type { TopicChoice } from '../records/description.ts'
import { scriptedTexts } from './appending-process.testing.ts'
import { batchOf, producerIn, readTexts, texts, withFolder } from './log.testing.ts'
import { fileLogSource } from './source.ts'

test('a topic that does not exist yet has nothing to read, and shows up when it is created', async () => {
  await withFolder(async (dir) => {
    const source = fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock })
    expect([...(await source.start()), ...(await source.latest())]).toEqual([])
    const producer = await producerIn(dir)
    await producer.createTopic('t', 2)
    expect(await source.latest()).toEqual(new Map([['t/0', 0n], ['t/1', 0n]])) // biome-ignore format: pairs
    await producer.append('t', texts(1, 'a', 'b'))
    expect(await source.latest()).toEqual(new Map([['t/0', 0n], ['t/1', 2n]])) // biome-ignore format: pairs
    expect(await source.start()).toEqual(new Map([['t/0', 0n], ['t/1', 0n]])) // biome-ignore format: pairs
    await producer.close()
  })
})

test('a start at the latest offset is settled once', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 1)
    await producer.append('t', texts(0, 'a', 'b'))
    const source = fileLogSource({ dir, choice: { topic: 't' }, startFrom: 'latest', clock: systemClock })
    expect(await source.start()).toEqual(new Map([['t/0', 2n]]))
    await producer.append('t', texts(0, 'c'))
    expect(await source.start()).toEqual(new Map([['t/0', 2n]]))
    await producer.close()
  })
})

test('a partition that was added to a topic that was read begins at its first record', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 2)
    await producer.append('t', texts(0, 'a', 'b'))
    const begins = (choice: TopicChoice, held?: Position) =>
      fileLogSource({ dir, choice, startFrom: 'latest', clock: systemClock }).start(held)
    const [first, last] = [new Map([['t/0', 0n], ['t/1', 0n]]), new Map([['t/0', 2n], ['t/1', 0n]])] // biome-ignore format: pairs
    const [readBefore, another] = [new Map([['t/id', 1n]]), new Map([['u/id', 1n]])]
    expect(await begins({ topic: 't' })).toEqual(last)
    expect(await begins({ topic: 't' }, readBefore)).toEqual(first)
    expect(await begins({ topics: ['t', 'u'] }, another)).toEqual(last) // named since: begins where it is told to
    expect(await begins({ pattern: '.' }, another)).toEqual(first)
    await producer.close()
  })
})

test('count is exact and ends with the log', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 1)
    await producer.append('t', texts(0, 'a', 'b', 'c'))
    const source = fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock })
    const count = (start: bigint, end: bigint) => source.count({ sourcePartition: 't/0', start, end })
    expect([await count(0n, 3n), await count(1n, 2n), await count(2n, 2n), await count(1n, 9n)]).toEqual([3, 1, 0, 2])
    await producer.close()
  })
})

test('cuts tile a range, each the largest that the limits allow and never empty', async () => {
  const sizes = fc.array(fc.array(fc.nat(50), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 5 })
  const limits = fc.record({ maxRecords: fc.integer({ min: 1, max: 20 }), maxBytes: fc.integer({ min: 0, max: 200 }) })
  await fc.assert(
    fc.asyncProperty(sizes, limits, fc.nat(60), fc.nat(60), async (batches, most, from, to) => {
      await withFolder(async (dir) => {
        const all = batches.flat()
        const [start, end] = [from % (all.length + 1), to % (all.length + 1)].sort((a, b) => a - b) as [number, number]
        const producer = await producerIn(dir, { segmentBytes: 700 })
        await producer.createTopic('t', 1)
        for (const batch of batches) {
          const records = batch.map((n) => ({
            key: Buffer.alloc(n >> 1),
            value: Buffer.alloc(n - (n >> 1)),
            timestampMs: 0,
          }))
          await producer.append('t', batchOf(records))
        }
        await producer.close()
        const source = fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock })
        for (let at = start; at < end; ) {
          const cut = await source.cut({ sourcePartition: 't/0', start: BigInt(at), end: BigInt(end) }, most)
          expect(cut.start).toBe(BigInt(at))
          expect(Number(cut.end)).toBe(modelCut(all, at, end, most))
          at = Number(cut.end)
        }
        const empty = { sourcePartition: 't/0', start: BigInt(end), end: BigInt(end) }
        expect(await source.cut(empty, most)).toEqual(empty)
      })
    }),
    { numRuns: 60, verbose: 1 },
  )
})

function modelCut(
  sizes: readonly number[],
  start: number,
  end: number,
  most: { readonly maxRecords: number; readonly maxBytes: number },
): number {
  let at = start
  let bytes = 0
  while (at < end && at - start < most.maxRecords && (at === start || bytes + sizes[at]! <= most.maxBytes)) {
    bytes += sizes[at]!
    at += 1
  }
  return at
}

test('committed offsets are noted, for lag tools and for what is kept', async () => {
  await withFolder(async (dir) => {
    const clock = { ...systemClock, nowMs: () => 1234 }
    const source = fileLogSource({ dir, choice: { topic: 't' }, clock, group: 'bronze/movies' })
    await source.commitOffsets(new Map([['t/0', 2n ** 60n]]))
    expect(JSON.parse(readFileSync(join(dir, '_groups', 'bronze%2Fmovies.json'), 'utf8'))).toEqual({
      committedAtMs: 1234,
      offsets: { 't/0': '1152921504606846976' },
    })
  })
})

test('a reader follows a writer that is killed again and again: whole batches, in order, each once', async () => {
  await withFolder(async (dir) => {
    await (await producerIn(dir)).createTopic('t', 1)
    const source = fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock })
    const program = new URL('./appending-process.testing.ts', import.meta.url).pathname
    let position = 0n
    let batch = 0
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, [program, dir], { stdio: ['ignore', 'inherit', 'inherit'] })
      const exited = once(child, 'exit')
      for (const goal = batch + 3 + round * 4; batch < goal && child.exitCode === null; ) {
        const end = (await source.latest()).get('t/0')!
        const seen = await readTexts(dir, 't/0', position, end)
        while (seen.length > 0) {
          const whole = scriptedTexts(batch)
          expect(seen.splice(0, whole.length)).toEqual(whole)
          batch += 1
        }
        position = end
        await new Promise((resolve) => setImmediate(resolve))
      }
      child.kill('SIGKILL')
      expect((await exited)[1]).toBe('SIGKILL')
    }
    expect(batch).toBeGreaterThan(60)
  })
})
