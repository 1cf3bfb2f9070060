import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../engine/clock.ts'
import { sealFrame } from './frame.ts'
import { producerIn, readTexts, texts, withFolder } from './log.testing.ts'
import { segmentPath } from './segment.ts'
import { fileLogSource } from './source.ts'
import type { TornTail } from './tail.ts'
import { partitionSeed, readTopic } from './topic.ts'

/** A topic `t` with the given batches in partition 0; gives the segment's bytes and where each batch ends in it. */
async function written(dir: string, ...batches: readonly (readonly (string | Buffer)[])[]) {
  const producer = await producerIn(dir)
  await producer.createTopic('t', 1)
  const file = segmentPath(join(dir, 't', '0'), 0n)
  const ends: number[] = []
  for (const batch of batches) {
    await producer.append('t', texts(0, ...batch))
    ends.push(readFileSync(file).length)
  }
  await producer.close()
  return { file, bytes: readFileSync(file), ends }
}

async function append(dir: string, values: readonly string[], told: TornTail[] = []): Promise<void> {
  const producer = await producerIn(dir, { onTornTail: (tail) => told.push(tail) })
  try {
    await producer.append('t', texts(0, ...values))
  } finally {
    await producer.close()
  }
}

async function latest(dir: string, told: TornTail[] = []): Promise<bigint | undefined> {
  const onTornTail = (tail: TornTail) => told.push(tail)
  const source = fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock, onTornTail })
  await source.latest() // looked at again, it is told of once
  return (await source.latest()).get('t/0')
}

test('a last frame torn at any byte is not read, is cut by the next writer, who tells of it, and appends go on', async () => {
  await withFolder(async (dir) => {
    const { file, bytes, ends } = await written(dir, ['a', 'b'], ['torn', 'frame'])
    for (let length = ends[0]!; length < bytes.length; length += 1) {
      writeFileSync(file, bytes.subarray(0, length))
      const torn = { topic: 't', partition: 0, file, bytePosition: ends[0]!, offset: 2n, bytes: length - ends[0]! }
      const told: TornTail[] = []
      expect(await latest(dir, told)).toBe(2n)
      await append(dir, ['c'], told)
      expect(told).toEqual(
        torn.bytes === 0
          ? []
          : [
              { ...torn, cut: false },
              { ...torn, cut: true },
            ],
      )
      expect(await readTexts(dir, 't/0', 0n, 3n)).toEqual(['a', 'b', 'c'])
    }
  })
})

test('room at the end that was never written to is cut as well', async () => {
  await withFolder(async (dir) => {
    const { file, bytes } = await written(dir, ['a', 'b'])
    writeFileSync(file, Buffer.concat([bytes, Buffer.alloc(5000)]))
    const told: TornTail[] = []
    expect(await latest(dir, told)).toBe(2n)
    await append(dir, ['c'], told)
    expect(told.map(({ bytes, cut }) => [bytes, cut])).toEqual([
      [5000, false],
      [5000, true],
    ])
    expect(await readTexts(dir, 't/0', 0n, 3n)).toEqual(['a', 'b', 'c'])
  })
})

test.each([
  ['text', Buffer.from('frame')],
  ['eight zeros', Buffer.alloc(8)],
  ['more zeros than a block of a disk has', Buffer.alloc(9000)],
])(
  'a last frame of its full length that ends in %s and was damaged is never taken for a torn one',
  async (_, value) => {
    await withFolder(async (dir) => {
      const { file, bytes, ends } = await written(dir, ['a', 'b'], ['more', value])
      for (const at of [0, 5, 20, 92, 97, 120]) {
        const damaged = Buffer.from(bytes)
        damaged[ends[0]! + at]! ^= 64
        writeFileSync(file, damaged)
        const refused = { code: 'LOG_CORRUPT', message: expect.stringContaining('millrace log repair t') }
        await expect(append(dir, ['c']), `byte ${at}`).rejects.toMatchObject(refused)
        await expect(latest(dir), `byte ${at}`).rejects.toMatchObject(refused)
        expect(readFileSync(file).equals(damaged)).toBe(true)
      }
    })
  },
)

test('what a living writer is writing is waited for, and nobody is told', async () => {
  await withFolder(async (dir) => {
    const { file, bytes, ends } = await written(dir, ['a', 'b'], ['half', 'written'])
    const producer = await producerIn(dir)
    await producer.append('t', texts(0, 'held'))
    const told: TornTail[] = []
    writeFileSync(file, bytes.subarray(0, bytes.length - 8))
    expect(await latest(dir, told)).toBe(2n)
    writeFileSync(file, Buffer.concat([bytes.subarray(0, ends[0]!), Buffer.alloc(bytes.length - ends[0]!, 1)]))
    expect(await latest(dir, told)).toBe(2n)
    await producer.close()
    await expect(latest(dir, told)).rejects.toMatchObject({ code: 'LOG_CORRUPT', context: { offset: '2' } })
    writeFileSync(file, bytes.subarray(0, bytes.length - 8))
    expect([await latest(dir, told), told.length]).toEqual([2n, 1])
  })
})

test('a flipped bit in the last frame, which was acknowledged, is LOG_CORRUPT for the next writer, and nothing is cut', async () => {
  await withFolder(async (dir) => {
    const { file, bytes, ends } = await written(dir, ['a', 'b'], ['torn', 'frame'])
    for (let at = ends[0]!; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes)
      damaged[at]! ^= 1 << (at % 8)
      writeFileSync(file, damaged)
      await expect(append(dir, ['x']), `byte ${at}`).rejects.toMatchObject({
        code: 'LOG_CORRUPT',
        message: expect.stringMatching(/from offset 2 on.* or give up the damaged records: 'millrace log repair t'/),
        context: { file, offset: '2', bytePosition: ends[0]! },
      })
      expect(readFileSync(file).equals(damaged)).toBe(true)
    }
  })
})

test('a flipped bit before the last frame is LOG_CORRUPT wherever it is, and nothing is cut', async () => {
  await withFolder(async (dir) => {
    const { file, bytes, ends } = await written(dir, ['a', 'b'], ['c'], ['d'])
    for (let at = 0; at < ends[1]!; at += 1) {
      const damaged = Buffer.from(bytes)
      damaged[at]! ^= 1 << (at % 8)
      writeFileSync(file, damaged)
      const frame = at < ends[0]! ? 0 : 1
      await expect(readTexts(dir, 't/0', 0n, 4n), `byte ${at}`).rejects.toMatchObject({
        code: 'LOG_CORRUPT',
        context: {
          topic: 't',
          partition: 0,
          file,
          offset: frame === 0 ? '0' : '2',
          bytePosition: frame === 0 ? 0 : ends[0]!,
        },
      })
      if (at !== 12 && at !== ends[0]! + 12) continue // lengths of the frames; opening to write reads no bodies
      await expect(append(dir, ['x'])).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
      await expect(latest(dir)).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
      expect(readFileSync(file).equals(damaged)).toBe(true)
    }
  })
})

test('a finished segment that lost its end, or a missing one, is LOG_CORRUPT', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir, { segmentBytes: 1 })
    await producer.createTopic('t', 1)
    for (const value of ['a', 'b', 'c']) await producer.append('t', texts(0, value))
    await producer.close()
    const second = segmentPath(join(dir, 't', '0'), 1n)
    writeFileSync(second, readFileSync(second).subarray(0, 100))
    await expect(readTexts(dir, 't/0', 0n, 3n)).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
      message: expect.stringContaining('topic t partition 0 is damaged at offset 1'),
    })
    rmSync(second)
    await expect(readTexts(dir, 't/0', 0n, 3n)).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })
})

test('a partition has one writer: the second is told who the first is', async () => {
  await withFolder(async (dir) => {
    const first = await producerIn(dir)
    await first.createTopic('t', 1)
    await first.append('t', texts(0, 'a'))
    await expect(append(dir, ['b'])).rejects.toMatchObject({
      code: 'STORE_BUSY',
      retryable: true,
      message: expect.stringContaining(`held by process ${process.pid} `),
    })
    await first.close()
    await append(dir, ['c'])
    expect(await readTexts(dir, 't/0', 0n, 2n)).toEqual(['a', 'c'])
  })
})

test("a dead writer's lock is taken over, a living one's is not", async () => {
  await withFolder(async (dir) => {
    await written(dir, ['a'])
    const holder = `import { producerIn, texts } from ${JSON.stringify(new URL('./log.testing.ts', import.meta.url).href)}
      await (await producerIn(${JSON.stringify(dir)})).append('t', texts(0, 'theirs'))
      console.log('held')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', holder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
    expect(child.exitCode).toBeNull()
    await expect(append(dir, ['b'])).rejects.toMatchObject({ code: 'STORE_BUSY', context: { pid: child.pid } })
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    await append(dir, ['ours'])
    expect(await readTexts(dir, 't/0', 0n, 3n)).toEqual(['a', 'theirs', 'ours'])
    expect(readdirSync(join(dir, 't', '0')).filter((name) => name.endsWith('.lock'))).toEqual([])
  })
})

test('frames of a later version are refused, not cut off as torn', async () => {
  await withFolder(async (dir) => {
    const { file, bytes } = await written(dir, ['a'])
    const topic = (await readTopic(dir, 't'))!
    bytes.writeUInt32LE(2, 4)
    sealFrame(bytes, 0n, partitionSeed(topic, 0))
    writeFileSync(file, bytes)
    await expect(append(dir, ['b'])).rejects.toMatchObject({ code: 'SOURCE_READ_FAILED' })
    await expect(latest(dir)).rejects.toMatchObject({ code: 'SOURCE_READ_FAILED' })
    expect(readFileSync(file).equals(bytes)).toBe(true)
  })
})

test('a partition whose folder is missing is refused by name, by readers and writers', async () => {
  await withFolder(async (dir) => {
    await written(dir, ['a'])
    rmSync(join(dir, 't', '0'), { recursive: true })
    const refused = { code: 'LOG_CORRUPT', message: expect.stringContaining(join(dir, 't', '0')) }
    await expect(latest(dir)).rejects.toMatchObject(refused)
    await expect(append(dir, ['b'])).rejects.toMatchObject(refused)
  })
})
