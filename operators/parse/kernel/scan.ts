/**
 * The scan over a JSON document (RFC 8259), in AssemblyScript: TypeScript's syntax, compiled to `scan.wasm` by `npm run kernel`.
 * It accepts what `JSON.parse` accepts, up to a depth, and notes where the values of a few paths stand, and where half of a
 * surrogate pair stands, if any does. An address of 0 means that the document is refused; behind every document lie 16 readable
 * bytes that mean nothing.
 */

/** A node of the tree of paths, written by the host: its slot, its key, and its children, which lie one after another. */
// @ts-expect-error
@unmanaged
class PathNode {
  slot: i32
  key: usize
  keyLength: usize
  children: usize
  childCount: i32
}

/** Where the host wants the findings: by slot, kinds as bytes, starts and ends as 32-bit numbers. */
let kindsAt: usize = 0
let startsAt: usize = 0
let endsAt: usize = 0
/** A byte for each open bracket inside a skipped value: 1 for an object, 0 for an array. */
let openAt: usize = 0
export let maxDepth: i32 = 0

/** Behind the document. */
export let limit: usize = 0
/** From addresses to the host's own places. */
export let shift: usize = 0
/** Whether the string scanned last holds escapes. */
export let escaped: bool = false

/** Why the document was refused, and where. */
export let failure: i32 = 0
export let failedAt: usize = 0
/** Slot of a key that stands twice in its object; -1 if none does. */
export let duplicate: i32 = -1
/** Where the first escape stands that is half of a surrogate pair; -1 if none does. */
export let halfPairAt: i32 = -1

/** Where the fraction and the exponent of the number scanned last begin; 0 without one. */
export let fractionAt: usize = 0
export let exponentAt: usize = 0

export const empty: i32 = 0
export const notJson: i32 = 1
export const truncated: i32 = 2
export const tooDeep: i32 = 3

const absent: u8 = 0
const object: u8 = 1
const array: u8 = 2
const string: u8 = 3
const stringWithEscapes: u8 = 4
const number: u8 = 5
const yes: u8 = 6
const no: u8 = 7
const nothing: u8 = 8

export const quote: u8 = 0x22
export const comma: u8 = 0x2c
const colon: u8 = 0x3a
export const backslash: u8 = 0x5c
export const openBrace: u8 = 0x7b
export const closeBrace: u8 = 0x7d
export const openBracket: u8 = 0x5b
export const closeBracket: u8 = 0x5d

/** Called once, before the first document. */
export function setUp(kinds: usize, starts: usize, ends: usize, open: usize, depth: i32): void {
  kindsAt = kinds
  startsAt = starts
  endsAt = ends
  openAt = open
  maxDepth = depth
}

/**
 * Scans the document at `[start, end)` for the children of `root`. The kinds must be all absent. 0 if it is refused, 1 if it
 * is accepted, 2 if so but with a key that stands twice or half of a surrogate pair.
 */
export function scan(root: usize, start: usize, end: usize, toPlaces: usize): i32 {
  const at = begin(start, end, toPlaces)
  if (at === 0 || !finish(noteValue(changetype<PathNode>(root), at, 0))) return 0
  return duplicate < 0 && halfPairAt < 0 ? 1 : 2
}

/** Where the value of the document at `[start, end)` begins; 0 if it has none. */
export function begin(start: usize, end: usize, toPlaces: usize): usize {
  limit = end
  shift = toPlaces
  duplicate = -1
  halfPairAt = -1
  const at = skipSpace(start)
  return at < limit ? at : fail(empty, start)
}

/** Whether nothing but space stands behind the value of the document, which ended at `after`. */
export function finish(after: usize): bool {
  if (after === 0) return false
  const rest = skipSpace(after)
  return rest >= limit || fail(notJson, rest) !== 0
}

/** Before a string is scanned of which it matters whether it holds escapes. */
export function clearEscaped(): void {
  escaped = false
}

export function fail(why: i32, at: usize): usize {
  failure = why
  failedAt = at + shift
  return 0
}

/** At the end of the bytes a document is cut off; anywhere else it is no JSON. */
export function unexpected(at: usize): usize {
  return at >= limit ? fail(truncated, limit) : fail(notJson, at)
}

export function skipSpace(from: usize): usize {
  let at = from
  while (at < limit) {
    const byte = load<u8>(at)
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at
    at++
  }
  return at
}

/** Scans the value, notes it in the node's slot and looks inside for the node's children. */
function noteValue(node: PathNode, from: usize, depth: i32): usize {
  const slot = node.slot
  const kind = kindsAt + slot
  if (load<u8>(kind) !== absent && duplicate < 0) duplicate = slot
  const first = load<u8>(from)
  escaped = false
  const after =
    first === openBrace && node.childCount > 0 ? scanObject(node, from + 1, depth + 1) : skipValue(from, depth)
  store<u8>(kind, kindOf(first))
  store<i32>(startsAt + (slot << 2), <i32>(from + shift))
  store<i32>(endsAt + (slot << 2), <i32>(after + shift))
  return after
}

/** What a value beginning with this byte is. */
function kindOf(first: u8): u8 {
  switch (first) {
    case openBrace:
      return object
    case openBracket:
      return array
    case quote:
      return escaped ? stringWithEscapes : string
    case 0x74:
      return yes
    case 0x66:
      return no
    case 0x6e:
      return nothing
    default:
      return number
  }
}

/** Scans an object from behind its brace, looking for the node's children among its keys. */
function scanObject(node: PathNode, from: usize, depth: i32): usize {
  if (depth > maxDepth) return fail(tooDeep, from)
  let at = skipSpace(from)
  if (at < limit && load<u8>(at) === closeBrace) return at + 1
  while (true) {
    if (at >= limit || load<u8>(at) !== quote) return unexpected(at)
    escaped = false
    const afterKey = skipString(at + 1)
    if (afterKey === 0) return 0
    const child = childOf(node, at + 1, afterKey - 1)
    at = skipColon(afterKey)
    if (at === 0) return 0
    at = child === 0 ? skipValue(at, depth) : noteValue(changetype<PathNode>(child), at, depth)
    if (at === 0) return 0
    at = skipSpace(at)
    if (at < limit && load<u8>(at) === closeBrace) return at + 1
    if (at >= limit || load<u8>(at) !== comma) return unexpected(at)
    at = skipSpace(at + 1)
  }
}

/** The child whose key stands at `[start, end)`; 0 if none has it. */
function childOf(node: PathNode, start: usize, end: usize): usize {
  let at = node.children
  for (let i = 0; i < node.childCount; i++) {
    const child = changetype<PathNode>(at)
    const same = escaped
      ? sameUnescaped(child.key, child.keyLength, start, end)
      : child.keyLength === end - start && isSame(child.key, start, child.keyLength)
    if (same) return at
    at += offsetof<PathNode>()
  }
  return 0
}

/** Whether two texts are the same; eight readable bytes stand behind either. */
export function isSame(left: usize, right: usize, length: usize): bool {
  while (length >= 8) {
    if (load<u64>(left) !== load<u64>(right)) return false
    left += 8
    right += 8
    length -= 8
  }
  return length === 0 || (load<u64>(left) ^ load<u64>(right)) << (64 - ((<u64>length) << 3)) === 0
}

/** Whether a scanned string with escapes says the same as plain UTF-8. Half of a surrogate pair says nothing. */
export function sameUnescaped(key: usize, keyLength: usize, start: usize, end: usize): bool {
  const keyEnd = key + keyLength
  let at = start
  while (at < end) {
    const byte = load<u8>(at)
    if (byte !== backslash) {
      if (key >= keyEnd || load<u8>(key) !== byte) return false
      key++
      at++
      continue
    }
    let point = unescaped(at)
    at += load<u8>(at + 1) === 0x75 ? 6 : 2
    if (point >= 0xd800 && point < 0xdc00 && at + 6 <= end && load<u16>(at) === 0x755c) {
      const low = unescaped(at)
      if (low >= 0xdc00 && low < 0xe000) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
        at += 6
      }
    }
    const length = utf8(point)
    if (key + length > keyEnd || memory.compare(key, encoded, length) !== 0) return false
    key += length
  }
  return key === keyEnd
}

/** Code unit that an escape stands for. */
function unescaped(at: usize): u32 {
  const letter = load<u8>(at + 1)
  switch (letter) {
    case 0x75:
      return (hex(at + 2) << 12) | (hex(at + 3) << 8) | (hex(at + 4) << 4) | hex(at + 5)
    case 0x62:
      return 0x08
    case 0x66:
      return 0x0c
    case 0x6e:
      return 0x0a
    case 0x72:
      return 0x0d
    case 0x74:
      return 0x09
    default:
      return letter
  }
}

function hex(at: usize): u32 {
  const byte = <u32>load<u8>(at)
  return byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57
}

/** Room for one character. */
const encoded = memory.data(4)

/** Writes a character as UTF-8 and says how many bytes that are. */
function utf8(point: u32): usize {
  if (point < 0x80) {
    store<u8>(encoded, point)
    return 1
  }
  if (point < 0x800) {
    store<u8>(encoded, 0xc0 | (point >> 6))
    store<u8>(encoded + 1, 0x80 | (point & 0x3f))
    return 2
  }
  if (point < 0x10000) {
    store<u8>(encoded, 0xe0 | (point >> 12))
    store<u8>(encoded + 1, 0x80 | ((point >> 6) & 0x3f))
    store<u8>(encoded + 2, 0x80 | (point & 0x3f))
    return 3
  }
  store<u8>(encoded, 0xf0 | (point >> 18))
  store<u8>(encoded + 1, 0x80 | ((point >> 12) & 0x3f))
  store<u8>(encoded + 2, 0x80 | ((point >> 6) & 0x3f))
  store<u8>(encoded + 3, 0x80 | (point & 0x3f))
  return 4
}

/** From behind a key to its value. */
export function skipColon(from: usize): usize {
  let at = skipSpace(from)
  if (at >= limit || load<u8>(at) !== colon) return unexpected(at)
  at = skipSpace(at + 1)
  return at < limit ? at : unexpected(at)
}

/** Scans a string from behind its opening quote to behind its closing one. */
export function skipString(from: usize): usize {
  let at = plainEnd(from)
  while (at < limit && load<u8>(at) === backslash) {
    at = skipEscape(at)
    if (at === 0) return 0
    at = plainEnd(at)
  }
  if (at >= limit) return fail(truncated, limit)
  return load<u8>(at) === quote ? at + 1 : fail(notJson, at)
}

/** The next quote, backslash or control character, or some place behind the document: sixteen bytes at a time. */
function plainEnd(from: usize): usize {
  for (let at = from; at < limit; at += 16) {
    const bytes = v128.load(at)
    const control = i8x16.lt_u(bytes, i8x16.splat(0x20))
    const ends = v128.or(i8x16.eq(bytes, i8x16.splat(quote)), i8x16.eq(bytes, i8x16.splat(backslash)))
    const special = i8x16.bitmask(v128.or(control, ends))
    if (special !== 0) return at + ctz(special)
  }
  return limit
}

/** Scans an escape from its backslash. */
function skipEscape(from: usize): usize {
  escaped = true
  if (from + 1 >= limit) return fail(truncated, limit)
  switch (load<u8>(from + 1)) {
    case quote:
    case backslash:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return from + 2
    case 0x75: // u
      for (let at = from + 2; at < from + 6; at++) if (at >= limit || !isHex(load<u8>(at))) return unexpected(at)
      return (load<u8>(from + 2) | 0x20) === 0x64 ? skipPair(from) : from + 6
    default:
      return fail(notJson, from)
  }
}

/** Scans an escape that begins with `\\ud`, and the one behind it where both are one character. */
function skipPair(from: usize): usize {
  const first = unescaped(from)
  const next = from + 6
  if (first < 0xd800) return next
  if (first < 0xdc00 && next + 6 <= limit && load<u16>(next) === 0x755c) {
    for (let at = next + 2; at < next + 6; at++) if (!isHex(load<u8>(at))) return unexpected(at)
    if ((unescaped(next) & 0xfc00) === 0xdc00) return next + 6
  }
  if (halfPairAt < 0) halfPairAt = <i32>(from + shift)
  return next
}

function isHex(byte: u8): bool {
  const lower = byte | 0x20
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66)
}

/** Scans the value without noting anything; `depth` counts the brackets around it. */
export function skipValue(from: usize, depth: i32): usize {
  let at = from
  let level = depth
  let inObject = false
  while (true) {
    const byte = load<u8>(at)
    if (byte === quote) at = skipString(at + 1)
    else if (byte === openBrace || byte === openBracket) {
      if (++level > maxDepth) return fail(tooDeep, at)
      inObject = byte === openBrace
      store<u8>(openAt + level, inObject ? 1 : 0)
      at = skipSpace(at + 1)
      if (at >= limit) return fail(truncated, limit)
      if (load<u8>(at) !== (inObject ? closeBrace : closeBracket)) {
        if (inObject) at = skipKey(at)
        if (at === 0) return 0
        continue
      }
      level--
      at++
    } else at = skipScalar(at)
    if (at === 0) return 0
    // behind a value: close as many brackets as end here, or go on behind a comma
    while (true) {
      if (level === depth) return at
      inObject = load<u8>(openAt + level) === 1
      at = skipSpace(at)
      if (at >= limit) return fail(truncated, limit)
      const next = load<u8>(at)
      if (next === comma) break
      if (next !== (inObject ? closeBrace : closeBracket)) return fail(notJson, at)
      level--
      at++
    }
    at = skipSpace(at + 1)
    if (inObject) at = skipKey(at)
    if (at === 0) return 0
    if (at >= limit) return fail(truncated, limit)
  }
}

/** From a key that interests nobody to its value. */
function skipKey(from: usize): usize {
  if (from >= limit || load<u8>(from) !== quote) return unexpected(from)
  const after = skipString(from + 1)
  return after === 0 ? 0 : skipColon(after)
}

export function skipScalar(from: usize): usize {
  switch (load<u8>(from)) {
    case 0x74:
      return skipWord(from, 0x65757274, 4) // true
    case 0x66:
      return skipWord(from, 0x65736c6166, 5) // false
    case 0x6e:
      return skipWord(from, 0x6c6c756e, 4) // null
    default:
      return skipNumber(from)
  }
}

/** The letters of a word are the bytes of `word`, the lowest first. */
function skipWord(from: usize, word: u64, length: usize): usize {
  const end = from + length
  for (let at = from; at < end; at++) {
    if (at >= limit || load<u8>(at) !== <u8>word) return unexpected(at)
    word >>= 8
  }
  return end
}

export function skipNumber(from: usize): usize {
  fractionAt = 0
  exponentAt = 0
  let at = from
  if (load<u8>(at) === 0x2d) at++
  if (at < limit && load<u8>(at) === 0x30) at++
  else {
    at = skipDigits(at)
    if (at === 0) return 0
  }
  if (at < limit && load<u8>(at) === 0x2e) {
    fractionAt = at
    at = skipDigits(at + 1)
    if (at === 0) return 0
  }
  if (at < limit && (load<u8>(at) | 0x20) === 0x65) {
    exponentAt = at
    at++
    if (at < limit && (load<u8>(at) === 0x2b || load<u8>(at) === 0x2d)) at++
    return skipDigits(at)
  }
  return at
}

/** At least one digit. */
function skipDigits(from: usize): usize {
  let at = from
  while (at < limit && load<u8>(at) - 0x30 < 10) at++
  return at > from ? at : unexpected(at)
}
