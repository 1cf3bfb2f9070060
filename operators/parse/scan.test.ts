import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maxDepth } from './kernel-memory.ts'
import { compilePaths } from './paths.ts'
import { createScan, decodeString, kinds } from './scan.ts'

const paths = compilePaths(['$.id', "$.a.b['c d']", '$.näme'])
const scan = createScan(paths.root, paths.slots)

/** The failure, or null when the document is accepted. */
function judge(bytes: Buffer): string | null {
  // neighbours on both sides: a scan must not look beyond its document
  const framed = Buffer.concat([Buffer.from('}"'), bytes, Buffer.from('"}]')])
  const ok = scan.document(framed, 2, 2 + bytes.length)
  if (!ok) {
    expect(scan.failedAt).toBeGreaterThanOrEqual(2)
    expect(scan.failedAt).toBeLessThanOrEqual(2 + bytes.length)
  }
  return ok ? null : scan.failure
}

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Keys that the scan looks for come up often, in all their spellings. */
const key = fc.oneof(fc.constantFrom('id', 'a', 'b', 'c d', 'näme', 'i', 'idx'), fc.string({ unit: 'binary' }))
const document = fc.dictionary(key, fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }), { maxKeys: 8 })

/** The document as JSON, spaced out, with every `nth` plain letter in its strings written as an escape. */
function respell(value: unknown, spaces: string, nth: number): string {
  const text = JSON.stringify(value, null, spaces)
  if (nth === 0) return text
  let letters = 0
  return text.replace(/"(?:[^"\\]|\\.)*"/g, (literal) =>
    literal.replace(/\\u[0-9a-f]{4}|\\.|[a-z]/g, (part) =>
      part.length === 1 && ++letters % nth === 0 ? `\\u00${part.charCodeAt(0).toString(16)}` : part,
    ),
  )
}

test('accepts every document that JSON.stringify writes, however it is spaced and escaped', () => {
  fc.assert(
    fc.property(document, fc.constantFrom('', ' ', '\t', '  '), fc.nat(5), (value, spaces, escaped) => {
      const text = respell(value, spaces, escaped)
      expect(judge(Buffer.from(text)), text).toBeNull()
    }),
  )
})

test('finds the values that JSON.parse finds', () => {
  fc.assert(
    fc.property(document, fc.constantFrom('', ' '), fc.nat(4), (value, spaces, escaped) => {
      const text = respell(value, spaces, escaped)
      const bytes = Buffer.from(text)
      expect(scan.document(bytes, 0, bytes.length)).toBe(true)
      const parsed = JSON.parse(text) as Record<string, unknown>
      for (const [path, slot] of [
        ['id', paths.fieldSlots[0]!],
        ['näme', paths.fieldSlots[2]!],
      ] as const) {
        const seen = scan.kinds[slot] !== kinds.absent
        expect(seen).toBe(Object.hasOwn(parsed, path))
        const span = bytes.toString('utf8', scan.starts[slot], scan.ends[slot])
        if (seen) expect(JSON.parse(span)).toEqual(parsed[path])
        if (seen && typeof parsed[path] === 'string')
          expect(decodeString(bytes, scan.starts[slot]!, scan.ends[slot]!)).toBe(parsed[path])
      }
    }),
  )
})

test('a document cut off at any byte is truncated, or empty', () => {
  fc.assert(
    fc.property(document, (value) => {
      const bytes = Buffer.from(JSON.stringify(value))
      for (let length = 0; length < bytes.length; length++)
        expect(judge(bytes.subarray(0, length))).toBe(length === 0 ? 'EMPTY' : 'TRUNCATED')
    }),
    { numRuns: 50 },
  )
})

test('agrees with JSON.parse on documents with bytes flipped, dropped and put in', () => {
  const edit = fc.tuple(
    fc.nat(),
    fc.constantFrom('flip', 'drop', 'insert'),
    fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('{}[]",:\\u0eE+-.tfn '))),
  )
  fc.assert(
    fc.property(document, fc.array(edit, { minLength: 1, maxLength: 3 }), (value, edits) => {
      let bytes = Buffer.from(JSON.stringify(value))
      for (const [place, kind, byte] of edits) {
        const at = place % (bytes.length + 1)
        const rest = bytes.subarray(kind === 'insert' ? at : at + 1)
        bytes = Buffer.concat([bytes.subarray(0, at), ...(kind === 'drop' ? [] : [Buffer.from([byte])]), rest])
      }
      const failure = judge(bytes)
      if (isUtf8(bytes)) expect(failure === null, `${bytes} ${failure}`).toBe(parses(bytes.toString()))
    }),
    { numRuns: 2000 },
  )
})

test('never throws, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      judge(Buffer.from(bytes))
    }),
  )
})

test.each([
  ['', 'EMPTY'],
  [' \n\t\r ', 'EMPTY'],
  ['{"a":01}', 'NOT_JSON'],
  ['{"a":1.}', 'NOT_JSON'],
  ['{"a":.5}', 'NOT_JSON'],
  ['{"a":+1}', 'NOT_JSON'],
  ['{"a":1e}', 'NOT_JSON'],
  ['{"a":NaN}', 'NOT_JSON'],
  ['{"a":"\t"}', 'NOT_JSON'],
  ['{"a":"\\x"}', 'NOT_JSON'],
  ['{"a":"\\u12g4"}', 'NOT_JSON'],
  ['{"a":1,}', 'NOT_JSON'],
  ['{"a":[1,]}', 'NOT_JSON'],
  ['{"a":[1}}', 'NOT_JSON'],
  ['{a:1}', 'NOT_JSON'],
  ["{'a':1}", 'NOT_JSON'],
  ['{"a":1}x', 'NOT_JSON'],
  ['{"a":1}{"a":1}', 'NOT_JSON'],
  ['\ufeff{}', 'NOT_JSON'],
  ['{"a":tru}', 'NOT_JSON'],
  ['{"a":tru', 'TRUNCATED'],
  ['{"a":-', 'TRUNCATED'],
  ['{"a":"\\u12', 'TRUNCATED'],
  ['{"a":1', 'TRUNCATED'],
])('refuses %j as %s', (text, failure) => {
  expect(judge(Buffer.from(text))).toBe(failure)
  expect(parses(text)).toBe(false)
})

test.each([
  '{}',
  ' { } \n',
  '{"a":-0,"b":0.5e-10,"c":1E+9,"d":[],"e":[{}],"f":[[],[1,2,{"g":null}]]}',
  '{"a":"\\ud800"}',
  '[1,2]',
  '"x"',
  '12',
  'null',
])('accepts %j', (text) => {
  expect(judge(Buffer.from(text))).toBeNull()
})

test('a control character in a string is refused wherever it stands, and no other character is', () => {
  for (let code = 0; code < 256; code++)
    for (let at = 0; at < 12; at++) {
      const text = `{"a":"${'x'.repeat(at)}${String.fromCharCode(code)}${'x'.repeat(12 - at)}"}`
      expect(judge(Buffer.from(text)) === null, JSON.stringify(text)).toBe(parses(text))
    }
})

test('nesting is accepted to its limit and refused beyond it, without running out of stack', () => {
  const nested = (depth: number) => Buffer.from(`{"x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`)
  expect(judge(nested(maxDepth))).toBeNull()
  expect(judge(nested(maxDepth + 1))).toBe('TOO_DEEP')
  expect(judge(Buffer.from('{"a":'.repeat(1_000_000)))).toBe('TOO_DEEP')
})

test('a key that stands twice is noted, also under another spelling, and only where it is looked for', () => {
  const twice = (text: string) => {
    const bytes = Buffer.from(text)
    expect(scan.document(bytes, 0, bytes.length)).toBe(true)
    return scan.duplicate
  }
  expect(twice('{"id":1,"id":1}')).toBe(paths.fieldSlots[0])
  expect(twice('{"id":1,"\\u0069d":2}')).toBe(paths.fieldSlots[0])
  expect(twice('{"a":1,"a":{"b":{"c d":1}}}')).toBeGreaterThan(0)
  expect(twice('{"x":1,"x":2,"y":{"id":1,"id":2}}')).toBe(-1)
})
