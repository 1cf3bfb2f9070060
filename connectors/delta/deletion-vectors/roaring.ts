/**
 * Bitmaps of 64-bit numbers in the portable format of Roaring (RoaringFormatSpec, "extension for 64-bit implementations"):
 * what a deletion vector holds (PROTOCOL.md, "Deletion Vector Format").
 */

/** What is wrong with a bitmap; the caller knows where it stood. */
export class MalformedBitmap extends Error {}

/** As a little-endian number, of the portable format. */
const portableMagic = 1_681_511_377
/** As a big-endian number, of the format before it, in which the protocol's own example of an inline vector is. */
const nativeMagic = 1_681_511_376
const cookieWithRuns = 12_347
const cookieWithoutRuns = 12_346
/** Below this a bitmap with runs has no table of offsets. */
const offsetsFrom = 4
const mostInArray = 4096
const bitmapBytes = 8192

/** A few bytes can stand for billions of numbers: a file that really has so many deleted rows is written anew by any writer. */
export const mostNumbers = 2 ** 25

/**
 * The numbers of a serialized bitmap, ascending. {@link MalformedBitmap} if it is cut off, no bitmap, out of order, or of more numbers than
 * `most`, as soon as that shows.
 */
export function parseBitmap(bytes: Buffer, most = mostNumbers): number[] {
  const reader = openReader(bytes)
  const magic = reader.bytes(4)
  const numbers = ascending(Math.min(most, mostNumbers))
  if (magic.readUInt32LE() === portableMagic) parsePortable(reader, numbers)
  else if (magic.readUInt32BE() === nativeMagic) parseNative(reader, numbers)
  else throw new MalformedBitmap('does not begin as a bitmap does')
  return numbers.all
}

/** Numbers that are checked as they come. */
interface Numbers {
  readonly all: number[]
  push(number: number): void
}

function ascending(most: number): Numbers {
  const all: number[] = []
  let last = -1
  return {
    all,
    push(number) {
      if (number <= last) throw new MalformedBitmap('has numbers that are not in order')
      if (all.length === most) throw new MalformedBitmap(`has more than ${most} numbers`)
      all.push(number)
      last = number
    },
  }
}

function parsePortable(reader: Reader, numbers: Numbers): void {
  const bitmaps = reader.int64()
  for (let i = 0; i < bitmaps; i++) parse32(reader, reader.int32(), numbers)
}

/** Each bitmap follows its size, and stands for the numbers whose upper half is its place. */
function parseNative(reader: Reader, numbers: Numbers): void {
  const bitmaps = reader.bytes(4).readUInt32BE()
  for (let i = 0; i < bitmaps; i++) parse32(openReader(reader.bytes(reader.bytes(4).readUInt32BE())), i, numbers)
}

/** Numbers, ascending and each once, as a bitmap of the portable format. */
export function printBitmap(numbers: readonly number[]): Buffer {
  const upperHalves = Map.groupBy(numbers, (number) => Math.floor(number / 2 ** 32))
  const head = Buffer.alloc(12)
  head.writeUInt32LE(portableMagic)
  head.writeBigUInt64LE(BigInt(upperHalves.size), 4)
  return Buffer.concat([head, ...[...upperHalves].flatMap(([upperHalf, its]) => print32(upperHalf, its))])
}

/** One bitmap of the lower halves of numbers, behind their upper half. */
function print32(upperHalf: number, numbers: readonly number[]): Buffer[] {
  const containers = [...Map.groupBy(numbers, (number) => Math.floor(number / 2 ** 16) % 2 ** 16)]
  const head = Buffer.alloc(12 + 8 * containers.length)
  head.writeUInt32LE(upperHalf)
  head.writeUInt32LE(cookieWithoutRuns, 4)
  head.writeUInt32LE(containers.length, 8)
  const bodies: Buffer[] = []
  let offset = head.length - 4 // from the cookie
  for (const [i, [key, its]] of containers.entries()) {
    const body = printContainer(its.map((number) => number % 2 ** 16))
    head.writeUInt16LE(key, 12 + 4 * i)
    head.writeUInt16LE(its.length - 1, 14 + 4 * i)
    head.writeUInt32LE(offset, 12 + 4 * containers.length + 4 * i)
    offset += body.length
    bodies.push(body)
  }
  return [head, ...bodies]
}

function printContainer(numbers: readonly number[]): Buffer {
  if (numbers.length > mostInArray) {
    const bits = Buffer.alloc(bitmapBytes)
    for (const number of numbers) bits[number >> 3]! |= 1 << (number & 7)
    return bits
  }
  const array = Buffer.alloc(2 * numbers.length)
  for (const [i, number] of numbers.entries()) array.writeUInt16LE(number, 2 * i)
  return array
}

/** Where a container's numbers begin, how many there are, and whether they are written as runs. */
interface Container {
  readonly base: number
  readonly cardinality: number
  readonly runs: boolean
}

/** One bitmap of the lower halves of numbers, appended to `numbers`. */
function parse32(reader: Reader, upperHalf: number, numbers: Numbers): void {
  const high = upperHalf * 2 ** 32
  if (!Number.isSafeInteger(high + 2 ** 32)) throw new MalformedBitmap('holds numbers that no file has rows for')
  const containers = parseHeader(reader, high)
  for (const { base, cardinality, runs } of containers)
    if (runs) readRuns(reader, base, numbers)
    else if (cardinality <= mostInArray) for (let i = 0; i < cardinality; i++) numbers.push(base + reader.int16())
    else readBits(reader, base, numbers)
}

function parseHeader(reader: Reader, high: number): Container[] {
  const cookie = reader.int32()
  const withRuns = (cookie & 0xffff) === cookieWithRuns
  if (!withRuns && cookie !== cookieWithoutRuns) throw new MalformedBitmap('holds a part that is no bitmap')
  const count = withRuns ? (cookie >>> 16) + 1 : reader.int32()
  const runFlags = withRuns ? reader.bytes(Math.ceil(count / 8)) : null
  const containers: Container[] = []
  for (let i = 0; i < count; i++) {
    const base = high + reader.int16() * 2 ** 16
    const runs = runFlags !== null && (runFlags[i >> 3]! & (1 << (i & 7))) !== 0
    containers.push({ base, cardinality: reader.int16() + 1, runs })
  }
  if (!withRuns || count >= offsetsFrom) reader.bytes(count * 4) // offsets of containers that are read in turn
  return containers
}

function readRuns(reader: Reader, base: number, numbers: Numbers): void {
  const runs = reader.int16()
  for (let i = 0; i < runs; i++) {
    const start = base + reader.int16()
    const last = start + reader.int16()
    for (let number = start; number <= last; number++) numbers.push(number)
  }
}

function readBits(reader: Reader, base: number, numbers: Numbers): void {
  const bits = reader.bytes(bitmapBytes)
  for (let i = 0; i < bitmapBytes; i++)
    for (let byte = bits[i]!; byte !== 0; byte &= byte - 1) numbers.push(base + i * 8 + Math.log2(byte & -byte))
}

/** Little-endian numbers, one after another. */
interface Reader {
  int16(): number
  int32(): number
  int64(): number
  bytes(length: number): Buffer
}

function openReader(source: Buffer): Reader {
  let at = 0
  const take = (length: number) => {
    if (at + length > source.length) throw new MalformedBitmap('is cut off')
    at += length
    return at - length
  }
  return {
    int16: () => source.readUInt16LE(take(2)),
    int32: () => source.readUInt32LE(take(4)),
    int64: () => Number(source.readBigUInt64LE(take(8))),
    bytes: (length) => {
      const start = take(length)
      return source.subarray(start, start + length)
    },
  }
}
