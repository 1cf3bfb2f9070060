import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { longestLineBytes, readByteLines } from './lines.ts'

async function linesOf(...chunks: readonly Uint8Array[]): Promise<(string | null)[]> {
  const lines: (string | null)[] = []
  for await (const some of readByteLines({ name: 'here', stream: Readable.from(chunks) }))
    for (const { number, bytes } of some) {
      lines.push(bytes === null ? null : bytes.toString('latin1'))
      expect(number).toBe(lines.length)
    }
  return lines
}

test('however an input is cut into chunks, packed or not, its lines are the same', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'é', '\r', '\x1f', '\x8b', ' '), maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1 }), fc.infiniteStream(fc.nat({ max: 8 })), async (lines, sizes) => {
      const text = Buffer.from(lines.join('\n'), 'latin1')
      fc.pre(text[0] !== 0x1f || text[1] !== 0x8b)
      const expected = lines.at(-1) === '' ? lines.slice(0, -1) : lines
      for (const whole of [text, gzipSync(text)]) {
        const chunks: Buffer[] = []
        for (let at = 0; at < whole.length; at += chunks.at(-1)!.length)
          chunks.push(whole.subarray(at, at + 1 + sizes.next().value!))
        expect(await linesOf(...chunks)).toEqual(expected)
      }
    }),
  )
})

test('a line that is too long is passed over by its number, and the next ones are read', async () => {
  const piece = Buffer.alloc(2 ** 20, 'x')
  const pieces = Array.from({ length: longestLineBytes / piece.length }, () => piece)
  const lines = await linesOf(Buffer.from('first\n'), ...pieces, Buffer.from('x\nlast'))
  expect(lines).toEqual(['first', null, 'last'])
})

test('an input that ends too early is named with the line after which it did', async () => {
  const packed = gzipSync(Array.from({ length: 5000 }, (_, i) => `line ${i * 7919}\n`).join(''))
  await expect(linesOf(packed.subarray(0, packed.length - 20))).rejects.toMatchObject({
    code: 'SOURCE_READ_FAILED',
    message: expect.stringMatching(/^here: reading stopped after line \d+: unexpected end of file/),
  })
})
