import { expect, test } from 'vitest'
import { printed } from './data-dir.testing.ts'
import { printRows, toJson } from './output.ts'

function linesOf(rows: Parameters<typeof printRows>[0], json = false): Promise<string[]> {
  return printed(async () => {
    printRows(rows, { json, empty: 'nothing here' })
    return 0
  }).then(({ lines }) => lines)
}

test('rows become aligned columns, numbers to the right', async () => {
  const lines = await linesOf([
    { name: 'a', n: 1 },
    { name: 'long', n: 1200n },
  ])
  expect(lines).toEqual(['name     n', '────  ────', 'a        1', 'long  1200'])
})

test('no rows say so to people and nothing to scripts', async () => {
  expect(await linesOf([])).toEqual(['nothing here'])
  expect(await linesOf([], true)).toEqual([])
})

test('a cell is one line and is cut, in JSON it is whole', async () => {
  const text = `first\nsecond ${'x'.repeat(100)}`
  const [, , cell] = await linesOf([{ text }])
  expect(cell).toMatch(/^first second x+…$/)
  expect(cell).toHaveLength(48)
  expect(await linesOf([{ text }], true)).toEqual([JSON.stringify({ text })])
})

test('terminal control characters of data never reach the terminal', async () => {
  const [, , cell] = await linesOf([{ title: '\u001b[31mred\u0007' }])
  expect(cell).toBe(' [31mred')
})

test('int64 stays exact in JSON: a number where one can hold it, else a text', () => {
  expect(toJson({ a: 1n, b: 2n ** 53n + 1n, c: [-(2n ** 63n)] })).toBe(
    '{"a":1,"b":"9007199254740993","c":["-9223372036854775808"]}',
  )
})

test('bytes are text where they are UTF-8, else base64', () => {
  expect(toJson({ value: Buffer.from('é'), other: new Uint8Array([0xff]) })).toBe(
    '{"value":"é","other":{"base64":"/w=="}}',
  )
})

test('dates, maps and nested values are printed as JSON has them', () => {
  expect(toJson({ at: new Date(0), tags: new Map([['a', 1n]]), in: { list: [null, { x: 2n }] } })).toBe(
    '{"at":"1970-01-01T00:00:00.000Z","tags":{"a":1},"in":{"list":[null,{"x":2}]}}',
  )
})

test('what JSON has no number for is text, never null', () => {
  expect(toJson({ a: Number.NaN, b: [Infinity, -Infinity], c: 0.5 })).toBe(
    '{"a":"NaN","b":["Infinity","-Infinity"],"c":0.5}',
  )
})
