import fc from 'fast-check'
import { expect, test } from 'vitest'
import { redacted } from './redact.ts'

const secret = fc.string({ minLength: 6, maxLength: 40, unit: 'grapheme-ascii' }).filter((text) => !/^\**$/.test(text))

const ways: readonly ((secret: string) => string)[] = [
  (text) => text,
  (text) => JSON.stringify({ password: text }),
  (text) => encodeURIComponent(text),
  (text) => new URLSearchParams({ password: text }).toString(),
  (text) => Buffer.from(text).toString('base64'),
  (text) => Buffer.from(`user:${text}`).toString('base64'),
  (text) => Buffer.from(`us:${text}:more`).toString('base64url'),
]

test('a secret is gone, however a program wrote it', () => {
  fc.assert(
    fc.property(secret, fc.constantFrom(...ways), fc.string(), fc.string(), (text, write, before, after) => {
      const written = write(text)
      const core = written.slice(12, -12) // Base64 mixes the secret's ends with what stands beside it
      const shown = redacted(`${before} ${written} ${after}`, [text])
      if (core.length > 8) expect(shown.includes(core)).toBe(false)
      expect(shown.includes(`"${text}"`)).toBe(false)
      expect(shown).toContain('***')
    }),
  )
})

test.each([
  ['{"authorization":"Basic YXBwOmFwcC1wYXNzd29yZA=="}', '{"authorization":"Basic ***"}'],
  ['Authorization: Bearer abc.def', 'Authorization: Bearer ***'],
  ['X-ClickHouse-Key: hidden, X-ClickHouse-User: app', 'X-ClickHouse-Key: ***, X-ClickHouse-User: app'],
  ['<b>api-key=12345</b>', '<b>api-key=***</b>'],
  ['x-amz-security-token: t0ken', 'x-amz-security-token: ***'],
  ['user is not authorized: app', 'user is not authorized: app'],
])('headers that carry credentials lose them: %s', (text, shown) => {
  expect(redacted(text, [])).toBe(shown)
})

test('no secret, no change', () => {
  expect(redacted('table not found: movies', ['', null, undefined])).toBe('table not found: movies')
})
