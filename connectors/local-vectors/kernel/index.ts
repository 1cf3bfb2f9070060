/**
 * Which of many vectors may be near another one, in AssemblyScript: TypeScript's syntax, compiled to `nearness.wasm` by `npm run kernel`. Elements of the vectors
 * are bytes and lie in columns: each has one element of all vectors of a block. Counts of vectors are multiples of 8.
 */

/** The query, eight elements a group: where their columns begin in a block (32-bit numbers), and what they are multiplied by (16-bit numbers). */
let columnsAt: usize = 0
let weightsAt: usize = 0
/** Products of the query and each vector of a block, 32-bit numbers. */
let productsAt: usize = 0
/** Findings: places in the block (32-bit numbers), and what their nearness is at most (32-bit floats). */
let placesAt: usize = 0
let boundsAt: usize = 0

/** Called once, with addresses of what the host has room for. */
export function setUp(columns: usize, weights: usize, products: usize, places: usize, bounds: usize): void {
  columnsAt = columns
  weightsAt = weights
  productsAt = products
  placesAt = places
  boundsAt = bounds
}

/** Multiplies the first `count` vectors of a block by the query, eight vectors and eight columns at a time. No product may leave 32 bits. */
export function multiply(block: usize, count: i32, groups: i32): void {
  memory.fill(productsAt, 0, (<usize>count) << 2)
  let columns = columnsAt
  let weights = weightsAt
  for (let group = 0; group < groups; group++) {
    const a = block + load<u32>(columns)
    const b = block + load<u32>(columns, 4)
    const c = block + load<u32>(columns, 8)
    const d = block + load<u32>(columns, 12)
    const e = block + load<u32>(columns, 16)
    const f = block + load<u32>(columns, 20)
    const g = block + load<u32>(columns, 24)
    const h = block + load<u32>(columns, 28)
    const ab = v128.load32_splat(weights)
    const cd = v128.load32_splat(weights, 4)
    const ef = v128.load32_splat(weights, 8)
    const gh = v128.load32_splat(weights, 12)
    columns += 32
    weights += 16
    let products = productsAt
    for (let i = 0; i < count; i += 8) {
      let left = v128.load8x8_s(a + i)
      let right = v128.load8x8_s(b + i)
      let first = i32x4.add(v128.load(products), dot(firstOf(left, right), ab))
      let last = i32x4.add(v128.load(products, 16), dot(lastOf(left, right), ab))
      left = v128.load8x8_s(c + i)
      right = v128.load8x8_s(d + i)
      first = i32x4.add(first, dot(firstOf(left, right), cd))
      last = i32x4.add(last, dot(lastOf(left, right), cd))
      left = v128.load8x8_s(e + i)
      right = v128.load8x8_s(f + i)
      first = i32x4.add(first, dot(firstOf(left, right), ef))
      last = i32x4.add(last, dot(lastOf(left, right), ef))
      left = v128.load8x8_s(g + i)
      right = v128.load8x8_s(h + i)
      first = i32x4.add(first, dot(firstOf(left, right), gh))
      last = i32x4.add(last, dot(lastOf(left, right), gh))
      v128.store(products, first)
      v128.store(products, last, 16)
      products += 32
    }
  }
}

/**
 * Finds those of the multiplied vectors from one place up to another whose nearness may be `least`, and says how many they are. It is the product times `scale` and the vector's own
 * scale, and off by at most `error`, and by the vector's scale times `spread` or its error times `length`, whichever is less. Scales and errors of the vectors are 32-bit floats.
 */
export function select(
  scales: usize,
  errors: usize,
  from: i32,
  to: i32,
  scale: f32,
  spread: f32,
  length: f32,
  error: f32,
  least: f32,
): i32 {
  const scale4 = f32x4.splat(scale)
  const spread4 = f32x4.splat(spread)
  const length4 = f32x4.splat(length)
  const error4 = f32x4.splat(error)
  const least4 = f32x4.splat(least)
  let found = 0
  for (let place = from; place < to; place += 4) {
    const at = (<usize>place) << 2
    const ownScale = v128.load(scales + at)
    const nearness = f32x4.mul(f32x4.convert_i32x4_s(v128.load(productsAt + at)), f32x4.mul(ownScale, scale4))
    const off = f32x4.min(f32x4.mul(ownScale, spread4), f32x4.mul(v128.load(errors + at), length4))
    const bound = f32x4.add(f32x4.add(nearness, off), error4)
    let lanes = i32x4.bitmask(f32x4.ge(bound, least4))
    if (lanes === 0) continue
    v128.store(productsAt + at, bound)
    for (; lanes !== 0; lanes &= lanes - 1) {
      const lane = ctz(lanes)
      const next = (<usize>found) << 2
      store<i32>(placesAt + next, place + lane)
      store<f32>(boundsAt + next, load<f32>(productsAt + at + ((<usize>lane) << 2)))
      found++
    }
  }
  return found
}

/** Of four vectors one element beside the other. */
function firstOf(left: v128, right: v128): v128 {
  return v128.shuffle<i16>(left, right, 0, 8, 1, 9, 2, 10, 3, 11)
}

/** Of the other four. */
function lastOf(left: v128, right: v128): v128 {
  return v128.shuffle<i16>(left, right, 4, 12, 5, 13, 6, 14, 7, 15)
}

/** Both elements of each vector, multiplied and added up. */
function dot(elements: v128, weights: v128): v128 {
  return i32x4.dot_i16x8_s(elements, weights)
}
