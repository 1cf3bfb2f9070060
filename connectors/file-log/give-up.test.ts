import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import { examinePartition } from './examine.ts'
import { giveUpDamage } from './give-up.ts'
import { producerIn, readRange, texts, withFolder } from './log.testing.ts'
import { segmentPath } from './segment.ts'
import { fileLogSource } from './source.ts'
import { readTopic } from './topic.ts'

/** Six frames of two records each in partition 0 of topic `t`, `r0` to `r11`; gives the bytes where each begins, and the end. */
async function sixFrames(dir: string, segmentBytes?: number) {
  const producer = await producerIn(dir, { producerId: 'p', ...(segmentBytes === undefined ? {} : { segmentBytes }) })
  await producer.createTopic('t', 1)
  const file = segmentPath(join(dir, 't', '0'), 0n)
  const starts = [0]
  for (let i = 0; i < 12; i += 2) {
    await producer.append('t', texts(0, `r${i}`, `r${i + 1}`))
    starts.push(readFileSync(file).length)
  }
  await producer.close()
  return { file, starts, topic: (await readTopic(dir, 't'))! }
}

function flip(file: string, ...places: readonly number[]): void {
  const bytes = readFileSync(file)
  for (const at of places) bytes[at]! ^= 64
  writeFileSync(file, bytes)
}

const open = (dir: string, onDataLoss: 'fail' | 'continue') =>
  fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock, onDataLoss })

/** Reads as pipelines do, batch by batch, to the end; which offsets were passed over, and the texts of the others. */
async function readAll(dir: string, onDataLoss: 'fail' | 'continue', maxRecords = 100) {
  const source = open(dir, onDataLoss)
  const [read, missing]: [string[], string[]] = [[], []]
  const end = (await source.latest()).get('t/0')!
  for (let start = (await source.start()).get('t/0')!; start < end; ) {
    const range = await source.cut({ sourcePartition: 't/0', start, end }, { maxRecords, maxBytes: 2 ** 30 })
    const lost = await source.missing!(range)
    if (lost !== null) missing.push(`${lost.start}-${lost.end}`)
    const records = await readRange(dir, range, undefined, onDataLoss)
    read.push(...records.map(({ offset, value }) => `${offset} ${Buffer.from(value ?? '', 'hex')}`))
    expect(range.end).toBeGreaterThan(start)
    start = range.end
  }
  return { read, missing, end }
}

async function append(dir: string, ...values: readonly string[]): Promise<void> {
  const producer = await producerIn(dir)
  await producer.append('t', texts(0, ...values))
  await producer.close()
}

const kept = (...offsets: readonly number[]) => offsets.map((offset) => `${offset} r${offset}`)

test('a damaged frame between others is told with its offsets, given up, and passed over by name', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    flip(file, starts[2]! + 110)
    const before = readFileSync(file)
    const { damages } = await examinePartition(topic, 0)
    expect(damages).toMatchObject([{ offset: 4n, end: 6n, exact: true, bytePosition: starts[2] }])
    expect(readFileSync(file).equals(before)).toBe(true)
    await giveUpDamage(topic, 0, systemIds)
    expect((await examinePartition(topic, 0)).damages).toEqual([])
    const rest = { read: kept(0, 1, 2, 3, 6, 7, 8, 9, 10, 11), missing: ['4-6'], end: 12n }
    expect(await readAll(dir, 'continue')).toEqual(rest)
    expect(await readAll(dir, 'continue', 1)).toEqual(rest)
    const failed = { code: 'SOURCE_RANGE_LOST', context: { start: '4', end: '6' } }
    await expect(readAll(dir, 'fail')).rejects.toMatchObject(failed)
    await append(dir, 'new')
    expect((await readAll(dir, 'continue')).read.at(-1)).toBe('12 new')
    const aside = readFileSync(join(dir, 't', '0', `${'4'.padStart(20, '0')}.damaged`))
    expect(aside.equals(before.subarray(starts[2], starts[3]))).toBe(true)
  })
})

test('a range that was planned before records were given up is read without them', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    flip(file, starts[2]! + 110)
    await giveUpDamage(topic, 0, systemIds)
    const range = { sourcePartition: 't/0', start: 3n, end: 8n }
    expect((await readRange(dir, range, undefined, 'continue')).map(({ offset }) => offset)).toEqual([3n, 6n, 7n])
    expect(await open(dir, 'continue').count(range)).toBe(3)
  })
})

test('offsets of a last frame that was damaged are not given to other records', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    flip(file, starts[5]! + 110)
    expect((await giveUpDamage(topic, 0, systemIds)).damages).toMatchObject([{ offset: 10n, end: 12n, exact: true }])
    await append(dir, 'new')
    const { read, missing } = await readAll(dir, 'continue')
    expect([read.at(-1), missing]).toEqual(['12 new', ['10-12']])
  })
})

test('where even the number of records is lost, no offset is used again that may have been one', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    flip(file, starts[5]! + 24)
    const [damage] = (await giveUpDamage(topic, 0, systemIds)).damages
    expect(damage).toMatchObject({ offset: 10n, exact: false })
    expect(damage!.end).toBeGreaterThanOrEqual(12n)
    await append(dir, 'new')
    expect((await readAll(dir, 'continue')).read.at(-1)).toBe(`${damage!.end} new`)
  })
})

test('a reader that knew the frames goes on behind what is given up', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    const source = open(dir, 'continue')
    expect((await source.latest()).get('t/0')).toBe(12n)
    flip(file, starts[2]! + 110)
    await giveUpDamage(topic, 0, systemIds)
    expect((await source.latest()).get('t/0')).toBe(12n)
    const range = { sourcePartition: 't/0', start: 2n, end: 12n }
    expect(await source.cut(range, { maxRecords: 100, maxBytes: 2 ** 30 })).toEqual({ ...range, end: 4n })
    const behind = { ...range, start: 4n }
    expect(await source.cut(behind, { maxRecords: 3, maxBytes: 2 ** 30 })).toEqual({ ...behind, end: 9n })
  })
})

test('numbered batches behind and before the damage are known as before; the lost one can be sent again', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    flip(file, starts[5]! + 110)
    await giveUpDamage(topic, 0, systemIds)
    const producer = await producerIn(dir, { producerId: 'p' })
    const known = await producer.append('t', texts(0, 'r8', 'r9'), { sequence: 4n })
    expect(known.get(0)).toEqual({ base: 8n, count: 2, duplicate: true })
    const again = await producer.append('t', texts(0, 'r10', 'r11'), { sequence: 5n })
    expect(again.get(0)).toEqual({ base: 12n, count: 2, duplicate: false })
    await producer.close()
  })
})

test('a finished segment that lost its end, and one that is missing, can be given up', async () => {
  await withFolder(async (dir) => {
    const { topic } = await sixFrames(dir, 1)
    const second = segmentPath(join(dir, 't', '0'), 2n)
    writeFileSync(second, readFileSync(second).subarray(0, 100))
    rmSync(segmentPath(join(dir, 't', '0'), 6n))
    const { damages } = await giveUpDamage(topic, 0, systemIds)
    expect(damages.map(({ offset, end }) => [offset, end])).toEqual([
      [2n, 4n],
      [6n, 8n],
    ])
    expect(await readAll(dir, 'continue')).toEqual({
      read: kept(0, 1, 4, 5, 8, 9, 10, 11),
      missing: ['2-4', '6-8'],
      end: 12n,
    })
  })
})

test('a torn tail is no damage, and stays for the next writer', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    writeFileSync(file, readFileSync(file).subarray(0, -8))
    expect(await giveUpDamage(topic, 0, systemIds)).toMatchObject({
      damages: [],
      torn: { offset: 10n, bytePosition: starts[5], cut: false },
    })
    expect(await readAll(dir, 'fail')).toMatchObject({ read: kept(0, 1, 2, 3, 4, 5, 6, 7, 8, 9) })
  })
})

test('a partition that is being written to is left alone', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    const producer = await producerIn(dir)
    await producer.append('t', texts(0, 'held'))
    flip(file, starts[2]! + 110)
    const before = readdirSync(join(dir, 't', '0'))
    await expect(giveUpDamage(topic, 0, systemIds)).rejects.toMatchObject({ code: 'STORE_BUSY' })
    expect(readdirSync(join(dir, 't', '0'))).toEqual(before)
    await producer.close()
  })
})

test('killed between the new segment and the cut of the old one, it can be run again, whatever was written since', async () => {
  await withFolder(async (dir) => {
    const { file, starts, topic } = await sixFrames(dir)
    flip(file, starts[2]! + 110)
    const before = readFileSync(file)
    await giveUpDamage(topic, 0, systemIds)
    writeFileSync(file, before)
    await append(dir, 'new')
    await giveUpDamage(topic, 0, systemIds)
    expect(await readAll(dir, 'continue')).toEqual({
      read: [...kept(0, 1, 2, 3, 6, 7, 8, 9, 10, 11), '12 new'],
      missing: ['4-6'],
      end: 13n,
    })
  })
})

test('whatever bytes are damaged, all other frames are read, and new records get new offsets', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(), { minLength: 1, maxLength: 5 }), fc.boolean(), async (seeds, inSegments) => {
      await withFolder(async (dir) => {
        const { topic } = await sixFrames(dir, inSegments ? 500 : undefined)
        const folder = join(dir, 't', '0')
        for (const seed of seeds) {
          const names = readdirSync(folder).filter((name) => name.endsWith('.log'))
          const path = join(folder, names[seed % names.length]!)
          flip(path, (seed * 7919) % readFileSync(path).length)
        }
        const { damages } = await giveUpDamage(topic, 0, systemIds)
        expect((await examinePartition(topic, 0)).damages).toEqual([])
        const lost = (offset: number) => damages.some((each) => each.offset <= offset && offset < each.end)
        const whole = Array.from({ length: 12 }, (_, offset) => offset).filter((offset) => !lost(offset))
        await append(dir, 'new')
        const { read, end } = await readAll(dir, 'continue', 3)
        expect(read).toEqual([...kept(...whole), `${end - 1n} new`])
        expect(end).toBeGreaterThanOrEqual(13n)
        expect(whole.length).toBeGreaterThanOrEqual(12 - 2 * seeds.length)
      })
    }),
    { numRuns: 60, verbose: 1 },
  )
})
