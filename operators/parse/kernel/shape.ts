/**
 * A scan that holds a document against a declared shape, at every depth. What is certainly as declared costs nothing more;
 * of all else the host is told where it stands, and decides.
 */
import {
  begin,
  clearEscaped,
  closeBrace,
  closeBracket,
  comma,
  escaped,
  exponentAt,
  fail,
  finish,
  fractionAt,
  halfPairAt,
  isSame,
  limit,
  maxDepth,
  notJson,
  openBrace,
  openBracket,
  quote,
  sameUnescaped,
  shift,
  skipColon,
  skipNumber,
  skipSpace,
  skipString,
  skipValue,
  tooDeep,
  truncated,
  unexpected,
} from './scan'

/** A part of the shape, written by the host. Its children lie one after another: fields, or the one kind of element. */
// @ts-expect-error
@unmanaged
class ShapeNode {
  kind: i32
  id: i32
  key: usize
  keyLength: usize
  children: usize
  childCount: i32
  /** A word for each child: the number of the object that had it last. */
  seen: usize
  /** Bits of an integer, precision of a decimal. */
  size: i32
  scale: i32
  /** Whether the host wants to hear of this value if anything inside it is noted. */
  covers: i32
  /** The object that holds the declared fields. */
  isTarget: i32
}

const text: i32 = 0
const boolean: i32 = 1
const integer: i32 = 2
const double: i32 = 3
const decimal: i32 = 4
const date: i32 = 5
const timestamp: i32 = 6
const array: i32 = 7
const struct: i32 = 8
const map: i32 = 9

/** What is noted. */
const value: i32 = 0
const twice: i32 = 1
const cover: i32 = 2
const mapKey: i32 = 3

/** Five 32-bit words for each finding: what, node, start, end, and the place of the map that a key belongs to. */
let findingsAt: usize = 0
let capacity: i32 = 0
/** How many there were; those past the capacity are not kept. */
export let findings: i32 = 0
/** First byte of the value that should be the target; 0 if nothing stands there. */
export let target: i32 = 0
/** Objects scanned so far. */
let objects: i32 = 0

/** Scans the document at `[start, end)`: 0 if it is no JSON, 1 if it is as declared, 2 if the host has to look at it. */
export function judge(root: usize, start: usize, end: usize, toPlaces: usize, notes: usize, room: i32): i32 {
  findingsAt = notes
  capacity = room
  findings = 0
  target = 0
  const at = begin(start, end, toPlaces)
  if (at === 0 || !finish(judgeValue(changetype<ShapeNode>(root), at, 0))) return 0
  return findings === 0 && halfPairAt < 0 && target === openBrace ? 1 : 2
}

function note(what: i32, node: ShapeNode, start: usize, end: usize, owner: usize): usize {
  if (end === 0) return 0
  if (findings < capacity) {
    const words = findingsAt + <usize>findings * 20
    store<i32>(words, what)
    store<i32>(words + 4, node.id)
    store<i32>(words + 8, <i32>(start + shift))
    store<i32>(words + 12, <i32>(end + shift))
    store<i32>(words + 16, <i32>(owner + shift))
  }
  findings++
  return end
}

function judgeValue(node: ShapeNode, from: usize, depth: i32): usize {
  if (from >= limit) return fail(truncated, limit)
  const first = load<u8>(from)
  if (node.isTarget !== 0) target = first
  if (first === 0x6e) return skipValue(from, depth) // null
  const before = findings
  const after = judgeKind(node, first, from, depth)
  return node.covers !== 0 && after !== 0 && findings > before ? note(cover, node, from, after, 0) : after
}

function judgeKind(node: ShapeNode, first: u8, from: usize, depth: i32): usize {
  const isNumber = first === 0x2d || first - 0x30 < 10
  switch (node.kind) {
    case text:
      if (first === quote) return skipString(from + 1)
      break
    case boolean:
      if (first === 0x74 || first === 0x66) return skipValue(from, depth)
      break
    case integer:
      if (isNumber) return judgeInteger(node, from)
      break
    case double:
      if (isNumber) return judgeDouble(node, from)
      break
    case decimal:
      if (isNumber) return judgeDecimal(node, from)
      break
    case date:
    case timestamp:
      if (first === quote) return judgeTime(node, from)
      break
    case array:
      if (first === openBracket) return judgeArray(node, from + 1, depth + 1)
      break
    case struct:
      if (first === openBrace) return judgeObject(node, from, depth + 1)
      break
    case map:
      if (first === openBrace) return judgeObject(node, from, depth + 1)
      break
  }
  return note(value, node, from, skipValue(from, depth), 0)
}

/** At most 2 digits are sure to fit a byte, 18 are sure to fit 64 bits. */
function judgeInteger(node: ShapeNode, from: usize): usize {
  const after = skipNumber(from)
  const digits = <i32>(after - from)
  const isShort = digits <= (node.size === 64 ? 18 : node.size === 32 ? 9 : node.size === 16 ? 4 : 2)
  const isWhole = fractionAt === 0 && exponentAt === 0
  return isWhole && isShort ? after : note(value, node, from, after, 0)
}

/** Without an exponent it takes many digits to pass the largest float. */
function judgeDouble(node: ShapeNode, from: usize): usize {
  const after = skipNumber(from)
  return exponentAt === 0 && after - from < 30 ? after : note(value, node, from, after, 0)
}

/** Up to 15 digits, those behind the point filled up to the scale, a double on the way loses nothing. */
function judgeDecimal(node: ShapeNode, from: usize): usize {
  const after = skipNumber(from)
  const start = load<u8>(from) === 0x2d ? from + 1 : from
  const whole = <i32>((fractionAt === 0 ? after : fractionAt) - start)
  const fraction = fractionAt === 0 ? 0 : <i32>(after - fractionAt) - 1
  const isShort = whole + node.scale <= 15 && whole + node.scale <= node.size && fraction <= node.scale
  return exponentAt === 0 && isShort ? after : note(value, node, from, after, 0)
}

/** A date, or a time in UTC to the microsecond, is taken as it is; an empty text stands for null. */
function judgeTime(node: ShapeNode, from: usize): usize {
  clearEscaped()
  const after = skipString(from + 1)
  const length = <i32>(after - from) - 2
  const start = from + 1
  if (after === 0 || (length === 0 && !escaped)) return after
  const isFine =
    node.kind === date
      ? length === 10 && isDate(start)
      : length >= 19 && length <= 27 && isDate(start) && isTime(start + 10, length - 10)
  return isFine && !escaped ? after : note(value, node, from, after, 0)
}

function digitsAt(at: usize, count: i32): i32 {
  let number = 0
  for (let i = 0; i < count; i++) {
    const digit = load<u8>(at + i) - 0x30
    if (digit > 9) return -1
    number = number * 10 + digit
  }
  return number
}

function isDate(at: usize): bool {
  if (load<u8>(at + 4) !== 0x2d || load<u8>(at + 7) !== 0x2d) return false
  const year = digitsAt(at, 4)
  const month = digitsAt(at + 5, 2)
  const day = digitsAt(at + 8, 2)
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31) return false
  if (month === 2) return day <= ((year & 3) === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28)
  return day <= (month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31)
}

/** `Thh:mm:ss`, a fraction of up to six digits, a Z. */
function isTime(at: usize, length: i32): bool {
  if (load<u8>(at) !== 0x54 || load<u8>(at + 3) !== 0x3a || load<u8>(at + 6) !== 0x3a) return false
  const hour = digitsAt(at + 1, 2)
  const minute = digitsAt(at + 4, 2)
  const second = digitsAt(at + 7, 2)
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false
  const zone = at + length - 1
  if (length === 9 || load<u8>(zone) !== 0x5a) return length === 9
  return length === 10 || (length > 11 && load<u8>(at + 9) === 0x2e && digitsAt(at + 10, length - 11) >= 0)
}

/** From behind the bracket. */
function judgeArray(node: ShapeNode, from: usize, depth: i32): usize {
  if (depth > maxDepth) return fail(tooDeep, from - 1)
  const element = changetype<ShapeNode>(node.children)
  let at = skipSpace(from)
  if (at < limit && load<u8>(at) === closeBracket) return at + 1
  while (true) {
    at = judgeValue(element, at, depth)
    if (at === 0) return 0
    at = skipSpace(at)
    if (at >= limit) return fail(truncated, limit)
    const next = load<u8>(at)
    if (next === closeBracket) return at + 1
    if (next !== comma) return fail(notJson, at)
    at = skipSpace(at + 1)
  }
}

/** From its brace. The fields of a map are all of one kind. */
function judgeObject(node: ShapeNode, from: usize, depth: i32): usize {
  if (depth > maxDepth) return fail(tooDeep, from)
  const number = ++objects
  let at = skipSpace(from + 1)
  if (at < limit && load<u8>(at) === closeBrace) return at + 1
  let expected = 0
  while (true) {
    if (at >= limit || load<u8>(at) !== quote) return unexpected(at)
    clearEscaped()
    const key = at + 1
    const afterKey = skipString(key)
    if (afterKey === 0) return 0
    const child = node.kind === map ? 0 : childOf(node, expected, key, afterKey - 1)
    at = skipColon(afterKey)
    if (at === 0) return 0
    if (child >= 0) {
      expected = child + 1
      at = judgeField(node, child, number, at, depth)
      if (node.kind === map) note(mapKey, node, key - 1, afterKey, from)
    } else at = skipValue(at, depth)
    if (at === 0) return 0
    at = skipSpace(at)
    if (at < limit && load<u8>(at) === closeBrace) return at + 1
    if (at >= limit || load<u8>(at) !== comma) return unexpected(at)
    at = skipSpace(at + 1)
  }
}

function judgeField(node: ShapeNode, child: i32, object: i32, from: usize, depth: i32): usize {
  const field = changetype<ShapeNode>(node.children + <usize>child * offsetof<ShapeNode>())
  const after = judgeValue(field, from, depth)
  if (node.kind === map) return after
  const seen = node.seen + ((<usize>child) << 2)
  if (load<i32>(seen) === object) return note(twice, field, from, after, 0)
  store<i32>(seen, object)
  return after
}

/** Number of the child whose key stands at `[start, end)`, -1 if none has it. Most documents keep the declared order. */
function childOf(node: ShapeNode, expected: i32, start: usize, end: usize): i32 {
  const count = node.childCount
  const length = end - start
  let number = expected
  for (let i = 0; i < count; i++) {
    if (number >= count) number = 0
    const child = changetype<ShapeNode>(node.children + <usize>number * offsetof<ShapeNode>())
    const isIt = escaped
      ? sameUnescaped(child.key, child.keyLength, start, end)
      : child.keyLength === length && isSame(child.key, start, length)
    if (isIt) return number
    number++
  }
  return -1
}
