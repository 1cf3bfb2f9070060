/**
 * A scan over the bytes of a JSON document (RFC 8259) that finds the values at a few paths and checks all the rest:
 * it accepts what `JSON.parse` accepts, up to {@link maxDepth}, and builds nothing.
 */

/** Deepest nesting of objects and arrays that is accepted. */
export const maxDepth = 1000

/** What stands at a path. `absent` until seen; `escaped` is a string with escapes in it. */
export const kinds = {
  absent: 0,
  object: 1,
  array: 2,
  string: 3,
  escaped: 4,
  number: 5,
  true: 6,
  false: 7,
  null: 8,
} as const

/** Why bytes are no document. */
export type ScanFailure = 'EMPTY' | 'NOT_JSON' | 'TRUNCATED' | 'TOO_DEEP'

/** A named key on the way to a value, and the keys looked for inside it. */
export interface PathNode {
  /** Where in the {@link Scan} its value is noted. The root is slot 0. */
  readonly slot: number
  /** Key in its parent object, as UTF-8. */
  readonly key: Uint8Array
  readonly children: readonly PathNode[]
}

/** Findings of the latest scan. Spans are those of the values as they stand: strings with their quotes. */
export interface Scan {
  readonly kinds: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** Slot of a key that stands twice in its object; -1 if none does. */
  duplicate: number
  /** Set when the document is refused. */
  failure: ScanFailure
  /** Byte where it was refused, in the buffer. */
  failedAt: number
  /** Whether the string scanned last holds escapes. */
  escaped: boolean
  /** Over the bytes scanned last. */
  view: DataView
  /** Open brackets inside a skipped value: 1 for an object, 0 for an array. */
  readonly open: Uint8Array
}

/** Room for what a scan finds, used again for every document. */
export function createScan(slots: number): Scan {
  return {
    kinds: new Uint8Array(slots),
    starts: new Int32Array(slots),
    ends: new Int32Array(slots),
    duplicate: -1,
    failure: 'EMPTY',
    failedAt: 0,
    escaped: false,
    view: new DataView(new ArrayBuffer(0)),
    open: new Uint8Array(maxDepth + 1),
  }
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

/** 1 for bytes that end the plain part of a string: quote, backslash, control characters. */
const special = new Uint8Array(256)
special.fill(1, 0, 0x20)
special[quote] = 1
special[backslash] = 1

/**
 * Whether one of four bytes ends the plain part of a string. A byte is below n where subtracting n borrows into a top
 * bit that was not set; equality is being below one after an exclusive or. False alarms only follow a true one.
 */
function hasSpecial(word: number): boolean {
  const control = (word - 0x20202020) | 0
  const quoted = ((word ^ 0x22222222) - 0x01010101) | 0
  const escaping = ((word ^ 0x5c5c5c5c) - 0x01010101) | 0
  return ((control | quoted | escaping) & ~word & 0x80808080) !== 0
}

/**
 * Scans the document in `bytes[start, end)` for the children of `root`. False: it is refused, see `failure` and
 * `failedAt`. UTF-8 is not checked.
 */
export function scanDocument(scan: Scan, root: PathNode, bytes: Uint8Array, start: number, end: number): boolean {
  scan.kinds.fill(kinds.absent)
  scan.duplicate = -1
  const { view } = scan
  if (view.buffer !== bytes.buffer || view.byteOffset !== bytes.byteOffset || view.byteLength !== bytes.byteLength)
    scan.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = skipSpace(bytes, start, end)
  if (at >= end) return fail(scan, 'EMPTY', start) > 0
  const after = noteValue(scan, root, bytes, at, end, 0)
  if (after < 0) return false
  const rest = skipSpace(bytes, after, end)
  return rest >= end || fail(scan, 'NOT_JSON', rest) > 0
}

function fail(scan: Scan, failure: ScanFailure, at: number): -1 {
  scan.failure = failure
  scan.failedAt = at
  return -1
}

/** At the end of the bytes a document is cut off; anywhere else it is no JSON. */
function unexpected(scan: Scan, at: number, end: number): -1 {
  return at >= end ? fail(scan, 'TRUNCATED', end) : fail(scan, 'NOT_JSON', at)
}

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end) {
    const byte = bytes[at]!
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at
    at++
  }
  return at
}

/** Scans the value at `start`, notes it in the node's slot and looks inside for the node's children. */
function noteValue(scan: Scan, node: PathNode, bytes: Uint8Array, start: number, end: number, depth: number): number {
  const { slot } = node
  if (scan.kinds[slot] !== kinds.absent && scan.duplicate < 0) scan.duplicate = slot
  const first = bytes[start]!
  scan.escaped = false
  scan.kinds[slot] = kindOf(first)
  const after =
    first === openBrace && node.children.length > 0
      ? scanObject(scan, node, bytes, start + 1, end, depth + 1)
      : skipValue(scan, bytes, start, end, depth)
  if (scan.kinds[slot] === kinds.string && scan.escaped) scan.kinds[slot] = kinds.escaped
  scan.starts[slot] = start
  scan.ends[slot] = after
  return after
}

/** What a value beginning with this byte is, if it is one. */
function kindOf(byte: number): number {
  switch (byte) {
    case openBrace:
      return kinds.object
    case openBracket:
      return kinds.array
    case quote:
      return kinds.string
    case 0x74:
      return kinds.true
    case 0x66:
      return kinds.false
    case 0x6e:
      return kinds.null
    default:
      return kinds.number
  }
}

/** Scans an object from behind its brace, looking for the node's children among its keys. */
function scanObject(scan: Scan, node: PathNode, bytes: Uint8Array, start: number, end: number, depth: number): number {
  if (depth > maxDepth) return fail(scan, 'TOO_DEEP', start)
  let at = skipSpace(bytes, start, end)
  if (at < end && bytes[at] === closeBrace) return at + 1
  while (true) {
    if (at >= end || bytes[at] !== quote) return unexpected(scan, at, end)
    scan.escaped = false
    const afterKey = skipString(scan, bytes, at + 1, end)
    if (afterKey < 0) return -1
    const child = scan.escaped
      ? childByText(node, bytes, at, afterKey)
      : childByBytes(node, bytes, at + 1, afterKey - 1)
    at = skipColon(scan, bytes, afterKey, end)
    if (at < 0) return -1
    at = child === null ? skipValue(scan, bytes, at, end, depth) : noteValue(scan, child, bytes, at, end, depth)
    if (at < 0) return -1
    at = skipSpace(bytes, at, end)
    if (at < end && bytes[at] === closeBrace) return at + 1
    if (at >= end || bytes[at] !== comma) return unexpected(scan, at, end)
    at = skipSpace(bytes, at + 1, end)
  }
}

function childByBytes(node: PathNode, bytes: Uint8Array, start: number, end: number): PathNode | null {
  const { children } = node
  for (let i = 0; i < children.length; i++) if (sameKey(children[i]!.key, bytes, start, end)) return children[i]!
  return null
}

function sameKey(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[start + i]) return false
  return true
}

/** For a key with escapes; `start` and `end` include its quotes. */
function childByText(node: PathNode, bytes: Uint8Array, start: number, end: number): PathNode | null {
  const key = Buffer.from(decodeString(bytes, start, end))
  return childByBytes(node, key, 0, key.length)
}

/** The text of a scanned string, escapes decoded; `start` and `end` include its quotes. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')) as string
}

/** From behind a key to its value. */
function skipColon(scan: Scan, bytes: Uint8Array, start: number, end: number): number {
  let at = start
  if (at >= end || bytes[at] !== colon) {
    at = skipSpace(bytes, at, end)
    if (at >= end || bytes[at] !== colon) return unexpected(scan, at, end)
  }
  at = skipSpace(bytes, at + 1, end)
  return at < end ? at : unexpected(scan, at, end)
}

/** Scans a string from behind its opening quote to behind its closing one. */
function skipString(scan: Scan, bytes: Uint8Array, start: number, end: number): number {
  const { view } = scan
  let at = start
  while (true) {
    // most of a document's bytes pass here, four at a time: see hasSpecial
    while (at + 4 <= end && !hasSpecial(view.getInt32(at, true))) at += 4
    while (at < end && special[bytes[at]!] === 0) at++
    if (at >= end) return fail(scan, 'TRUNCATED', end)
    const byte = bytes[at]!
    if (byte === quote) return at + 1
    if (byte !== backslash) return fail(scan, 'NOT_JSON', at)
    at = skipEscape(scan, bytes, at, end)
    if (at < 0) return -1
  }
}

/** Scans an escape from its backslash. */
function skipEscape(scan: Scan, bytes: Uint8Array, start: number, end: number): number {
  scan.escaped = true
  if (start + 1 >= end) return fail(scan, 'TRUNCATED', end)
  switch (bytes[start + 1]) {
    case quote:
    case backslash:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return start + 2
    case 0x75: // u
      for (let at = start + 2; at < start + 6; at++)
        if (at >= end || !isHex(bytes[at]!)) return unexpected(scan, at, end)
      return start + 6
    default:
      return fail(scan, 'NOT_JSON', start)
  }
}

function isHex(byte: number): boolean {
  const lower = byte | 0x20
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66)
}

/** Scans the value at `start` without noting anything; `depth` counts the brackets around it. */
function skipValue(scan: Scan, bytes: Uint8Array, start: number, end: number, depth: number): number {
  const { open } = scan
  let at = start
  let level = depth
  let inObject = false
  while (true) {
    const byte = bytes[at]!
    if (byte === quote) at = skipString(scan, bytes, at + 1, end)
    else if (byte === openBrace || byte === openBracket) {
      if (++level > maxDepth) return fail(scan, 'TOO_DEEP', at)
      inObject = byte === openBrace
      open[level] = inObject ? 1 : 0
      at = skipSpace(bytes, at + 1, end)
      if (at >= end) return fail(scan, 'TRUNCATED', end)
      if (bytes[at] !== (inObject ? closeBrace : closeBracket)) {
        if (inObject) at = skipKey(scan, bytes, at, end)
        if (at < 0) return -1
        continue
      }
      level--
      at++
    } else at = skipScalar(scan, bytes, at, end)
    if (at < 0) return -1
    // behind a value: close as many brackets as end here, or go on behind a comma
    while (true) {
      if (level === depth) return at
      inObject = open[level] === 1
      if (at < end && bytes[at] !== comma) at = skipSpace(bytes, at, end)
      if (at >= end) return fail(scan, 'TRUNCATED', end)
      const next = bytes[at]!
      if (next === comma) break
      if (next !== (inObject ? closeBrace : closeBracket)) return fail(scan, 'NOT_JSON', at)
      level--
      at++
    }
    at = skipSpace(bytes, at + 1, end)
    if (inObject) at = skipKey(scan, bytes, at, end)
    if (at < 0) return -1
    if (at >= end) return fail(scan, 'TRUNCATED', end)
  }
}

/** From a key that interests nobody to its value. */
function skipKey(scan: Scan, bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || bytes[start] !== quote) return unexpected(scan, start, end)
  const after = skipString(scan, bytes, start + 1, end)
  return after < 0 ? -1 : skipColon(scan, bytes, after, end)
}

function skipScalar(scan: Scan, bytes: Uint8Array, start: number, end: number): number {
  switch (bytes[start]) {
    case 0x74:
      return skipWord(scan, bytes, start, end, wordTrue)
    case 0x66:
      return skipWord(scan, bytes, start, end, wordFalse)
    case 0x6e:
      return skipWord(scan, bytes, start, end, wordNull)
    default:
      return skipNumber(scan, bytes, start, end)
  }
}

const wordTrue = Buffer.from('true')
const wordFalse = Buffer.from('false')
const wordNull = Buffer.from('null')

function skipWord(scan: Scan, bytes: Uint8Array, start: number, end: number, word: Uint8Array): number {
  for (let i = 0; i < word.length; i++)
    if (start + i >= end || bytes[start + i] !== word[i]) return unexpected(scan, start + i, end)
  return start + word.length
}

function skipNumber(scan: Scan, bytes: Uint8Array, start: number, end: number): number {
  let at = start
  if (bytes[at] === 0x2d) at++
  if (at < end && bytes[at] === 0x30) at++
  else {
    at = skipDigits(scan, bytes, at, end)
    if (at < 0) return -1
  }
  if (at < end && bytes[at] === 0x2e) {
    at = skipDigits(scan, bytes, at + 1, end)
    if (at < 0) return -1
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    at++
    if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++
    return skipDigits(scan, bytes, at, end)
  }
  return at
}

/** At least one digit. */
function skipDigits(scan: Scan, bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++
  return at > start ? at : unexpected(scan, at, end)
}
