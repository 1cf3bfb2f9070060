import { expect, test } from 'vitest'
import { clickhouseFailure } from './failures.ts'
import type { ClickhouseSettings } from './settings.ts'

const settings: ClickhouseSettings = {
  url: 'http://127.0.0.1:8123',
  user: 'app',
  password: 'hunter2-hunter2',
  database: 'app',
  ca: null,
  requestTimeoutMs: 1000,
}
const basic = Buffer.from(`${settings.user}:${settings.password}`).toString('base64')

test.each([
  `502 Bad Gateway {"authorization":"Basic ${basic}"}`,
  `request failed: Authorization: Basic ${basic}`,
  `no route for ${basic}`,
  `no route for ${settings.password}`,
  `${'x'.repeat(490)}${settings.password}`, // cut in the middle of it
  `${'x'.repeat(490)}${basic}`,
])('what a proxy repeats of a request shows no credentials: %#', (words) => {
  const { message } = clickhouseFailure('query', new Error(words), settings)
  for (const part of [settings.password.slice(0, 7), basic.slice(0, 8)]) expect(message).not.toContain(part)
})
