import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deletedRows, deletionVectorId, deletionVectorPath } from './deletion-vector.ts'
import { mostNumbers, parseBitmap, printBitmap } from './roaring.ts'
import { vectorFile } from './vector-file.ts'
import { decodeZ85 } from './z85.ts'

const inline = {
  storageType: 'i',
  pathOrInlineDv: 'wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L',
  sizeInBytes: 40,
  cardinality: 6n,
}

test('the inline vector of the protocol has the rows that the protocol says', () => {
  expect(deletionVectorPath(inline)).toBeNull()
  expect(deletedRows(inline, null)).toEqual([3, 4, 7, 11, 18, 29])
})

test('an inline vector of the portable format has the same rows', () => {
  const pathOrInlineDv = '^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L'
  expect(deletedRows({ ...inline, pathOrInlineDv, sizeInBytes: 44 }, null)).toEqual([3, 4, 7, 11, 18, 29])
})

test('the path of the protocol is that of its example, and an absolute one is left alone', () => {
  const vector = { ...inline, storageType: 'u', pathOrInlineDv: 'ab^-aqEH.-t@S}K{vb[*k^', offset: 4 }
  expect(deletionVectorPath(vector)).toBe('ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin')
  expect(deletionVectorPath({ ...vector, storageType: 'p', pathOrInlineDv: 's3://b/x.bin' })).toBe('s3://b/x.bin')
  expect(deletionVectorId(vector)).toBe('uab^-aqEH.-t@S}K{vb[*k^@4')
  expect(deletionVectorId(undefined)).toBe('')
})

test('what a vector in a file says is checked against its file', () => {
  const bitmap = decodeZ85(inline.pathOrInlineDv)!.subarray(0, 40)
  const file = Buffer.alloc(1 + 7 + 4 + 40 + 4)
  file[0] = 1
  file.writeInt32BE(40, 8)
  bitmap.copy(file, 12)
  file.writeUInt32BE(crc32(bitmap), 52)
  const vector = { ...inline, storageType: 'u', offset: 8 }
  expect(deletedRows(vector, file)).toEqual([3, 4, 7, 11, 18, 29])
  const refused = (bytes: Buffer, more = {}) =>
    expect(() => deletedRows({ ...vector, ...more }, bytes)).toThrow(
      /^deletion vector .*\(restore the file from a copy\)$/,
    )
  refused(file, { cardinality: 5n })
  refused(file, { sizeInBytes: 41 })
  refused(file, { offset: 9 })
  refused(file.subarray(0, 55))
  for (const at of [0, 20, 40, 53]) {
    const damaged = Buffer.from(file)
    damaged[at]! ^= 1
    refused(damaged)
  }
})

/** Serializes by hand, with the container kinds that a writer may choose. */
function serialize(numbers: readonly number[], withRuns: boolean): Buffer {
  const byHigh = Map.groupBy(numbers, (number) => Math.floor(number / 2 ** 32))
  const parts = [int(1_681_511_377, 4), int(byHigh.size, 8)]
  for (const [high, all] of byHigh) {
    const containers = [...Map.groupBy(all, (number) => Math.floor(number / 2 ** 16) % 2 ** 16)]
    parts.push(int(high, 4))
    if (withRuns) {
      parts.push(int(12_347, 2), int(containers.length - 1, 2), Buffer.alloc(Math.ceil(containers.length / 8), 0xff))
    } else parts.push(int(12_346, 4), int(containers.length, 4))
    for (const [key, its] of containers) parts.push(int(key, 2), int(its.length - 1, 2))
    if (!withRuns || containers.length >= 4) parts.push(Buffer.alloc(4 * containers.length))
    for (const [, its] of containers)
      parts.push(
        container(
          its.map((number) => number % 2 ** 16),
          withRuns,
        ),
      )
  }
  return Buffer.concat(parts)
}

function container(low: readonly number[], withRuns: boolean): Buffer {
  if (withRuns) {
    const runs: [number, number][] = []
    for (const number of low) {
      const last = runs.at(-1)
      if (last !== undefined && last[0] + last[1] + 1 === number) last[1] += 1
      else runs.push([number, 0])
    }
    return Buffer.concat([int(runs.length, 2), ...runs.flatMap(([start, more]) => [int(start, 2), int(more, 2)])])
  }
  if (low.length <= 4096) return Buffer.concat(low.map((number) => int(number, 2)))
  const bits = Buffer.alloc(8192)
  for (const number of low) bits[number >> 3]! |= 1 << (number & 7)
  return bits
}

function int(value: number, bytes: 2 | 4 | 8): Buffer {
  const buffer = Buffer.alloc(bytes)
  if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value))
  else buffer.writeUIntLE(value, 0, bytes)
  return buffer
}

test('bitmaps of any numbers are read as they were written, in arrays, bits and runs', () => {
  const seed = Date.now() % 2 ** 31
  console.log(`seed ${seed}`)
  const number = fc.oneof(
    fc.nat(300),
    fc.nat(2 ** 20),
    fc.maxSafeNat().map((n) => n % 2 ** 40),
  )
  const dense = fc.tuple(fc.nat(2 ** 20), fc.integer({ min: 1, max: 9000 })).map(([start, count]) => {
    return Array.from({ length: count }, (_, i) => start + i * 2)
  })
  fc.assert(
    fc.property(fc.array(number), dense, fc.boolean(), (some, many, withRuns) => {
      const numbers = [...new Set([...some, ...many])].sort((a, b) => a - b)
      const bytes = serialize(numbers, withRuns)
      expect(parseBitmap(bytes)).toEqual(numbers)
      expect(() => parseBitmap(bytes.subarray(0, -1))).toThrow('cut off')
      expect(parseBitmap(printBitmap(numbers))).toEqual(numbers)
    }),
    { seed, numRuns: 50 },
  )
})

test('the vectors of a file are read as they were added', () => {
  const uuid = 'd2c639aa-8816-431a-aaf6-d3fe2512ff61'
  const file = vectorFile(uuid)
  const all = [[0], [3, 4, 7, 11, 18, 29], Array.from({ length: 70_000 }, (_, i) => i * 3)]
  const vectors = all.map((rows) => file.add(rows))
  for (const [i, vector] of vectors.entries()) {
    expect(deletionVectorPath(vector)).toBe(`deletion_vector_${uuid}.bin`)
    expect(deletedRows(vector, file.bytes())).toEqual(all[i])
  }
  expect(file.path).toBe(`deletion_vector_${uuid}.bin`)
})

test('text that is not of the encoding is refused', () => {
  expect(decodeZ85('HelloWorld')?.toString('hex')).toBe('864fd26fb559f75b')
  for (const text of ['Hell', 'Hell~', '#####', 'Hell ']) expect(decodeZ85(text)).toBeNull()
})

/** A bitmap of one container whose runs are given, as `[start, length - 1]`. */
function ofRuns(runs: readonly (readonly [number, number])[]): Buffer {
  const head = [
    int(1_681_511_377, 4),
    int(1, 8),
    int(0, 4),
    int(12_347, 2),
    int(0, 2),
    Buffer.from([1]),
    int(0, 2),
    int(65_535, 2),
  ]
  return Buffer.concat([
    ...head,
    int(runs.length, 2),
    ...runs.flatMap(([start, more]) => [int(start, 2), int(more, 2)]),
  ])
}

test('a bitmap ends as soon as it contradicts itself or the log, however many numbers it claims', () => {
  const bomb = Array.from({ length: 60_000 }, () => [0, 65_535] as const)
  expect(() => parseBitmap(ofRuns(bomb))).toThrow('has numbers that are not in order')
  expect(() => parseBitmap(ofRuns([[0, 65_535]]), 3)).toThrow('has more than 3 numbers')
  expect(() =>
    parseBitmap(
      ofRuns([
        [5, 0],
        [4, 0],
      ]),
    ),
  ).toThrow('has numbers that are not in order')
  expect(() =>
    parseBitmap(
      ofRuns([
        [4, 0],
        [4, 0],
      ]),
    ),
  ).toThrow('has numbers that are not in order')
  expect(
    parseBitmap(
      ofRuns([
        [4, 1],
        [9, 0],
      ]),
      3,
    ),
  ).toEqual([4, 5, 9])
  const containers = 2_000 // each stands for 65,536 numbers, in ten bytes
  const parts = [
    int(1_681_511_377, 4),
    int(1, 8),
    int(0, 4),
    int(12_347, 2),
    int(containers - 1, 2),
    Buffer.alloc(Math.ceil(containers / 8), 0xff),
  ]
  for (let i = 0; i < containers; i += 1) parts.push(int(i, 2), int(65_535, 2))
  parts.push(Buffer.alloc(4 * containers))
  for (let i = 0; i < containers; i += 1) parts.push(int(1, 2), int(0, 2), int(65_535, 2))
  expect(() => parseBitmap(Buffer.concat(parts), 2 ** 40)).toThrow(`has more than ${mostNumbers} numbers`)
})
