import { expect, test } from 'vitest'
import { fieldPath, jsonLineReader } from './json-line.ts'

function keyOf(line: string | Uint8Array, name: string): string {
  const read = jsonLineReader(fieldPath(name))(Buffer.from(line))
  return read.kind === 'refused' ? read.message : Buffer.from(read.key!).toString()
}

test.each([
  ['{"id":"ä b"}', 'id', 'ä b'],
  ['{"id":"a\\"\\u00e4\\n"}', 'id', 'a"ä\n'],
  ['{"id":9007199254740993}', 'id', '9007199254740993'],
  ['{"id":1.50}', 'id', '1.50'],
  ['{"id":false}', 'id', 'false'],
  ['{"id":""}', 'id', ''],
  ['{"user":{"id":7},"id":8}', 'user.id', '7'],
  ['{"user.id":7}', "$['user.id']", '7'],
  [`{"it's":7}`, "it's", '7'],
])('the key of %s by %s is %s', (line, name, key) => {
  expect(keyOf(line, name)).toBe(key)
})

test.each([
  ['{"other":1}', 'id', /id.* is missing/],
  ['[1]', 'id', /id.* is missing/],
  ['{"id":null}', 'id', /id.* is null/],
  ['{"id":{}}', 'id', /id.* is an object, and no text or number/],
  ['{"id":[1]}', 'id', /id.* is a list, and no text or number/],
  ['{"id":1,"id":2}', 'id', /id.* stands twice/],
  ['{"id":1,}', 'id', /value is not JSON: found } \(byte 8\); a comma stands behind the last value/],
  ['{"id":1} {"id":2}', 'id', /value is not JSON/],
  ['{"id":"\\ud800"}', 'id', /half of a surrogate pair/],
  [Buffer.from('{"id":"\xe4"}', 'latin1'), 'id', /value is not UTF-8/],
])('%s has no key by %s', (line, name, message) => {
  expect(keyOf(line, name)).toMatch(message)
})

test('without a key any document is taken, whatever it is', () => {
  const read = jsonLineReader(null)
  for (const line of ['{}', ' [1, 2] ', '5', 'null', '"x"'])
    expect(read(Buffer.from(line))).toEqual({ kind: 'document', key: null })
})

test('what is no path is told', () => {
  for (const name of ['', 'a..b', '.a', '$', '$.', "$['a"]) expect(fieldPath(name), name).toBeNull()
})
