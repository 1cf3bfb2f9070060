import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'

/** A checkout whose `npm` notes that it ran, and fails beside another. */
function checkout(): { readonly dir: string; setup(): Promise<number | null>; installations(): number } {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-setup-'))
  mkdirSync(join(dir, 'scripts'))
  copyFileSync(join(import.meta.dirname, 'setup.mjs'), join(dir, 'scripts/setup.mjs'))
  writeFileSync(join(dir, 'package-lock.json'), '{}')
  const npm = '#!/bin/sh\nmkdir busy || exit 1\nsleep 0.3\nmkdir -p node_modules\necho ran >> ran\nrmdir busy\n'
  writeFileSync(join(dir, 'npm'), npm)
  chmodSync(join(dir, 'npm'), 0o755)
  const env = { ...process.env, PATH: `${dir}${delimiter}${process.env.PATH}` }
  return {
    dir,
    async setup() {
      const child = spawn(process.execPath, [join(dir, 'scripts/setup.mjs')], { env, stdio: 'ignore' })
      const [status] = (await once(child, 'exit')) as [number | null]
      return status
    },
    installations: () => readFileSync(join(dir, 'ran'), 'utf8').split('ran').length - 1,
  }
}

test.skipIf(process.platform === 'win32')('scripts that start at once install once', async () => {
  const { dir, setup, installations } = checkout()
  expect(await Promise.all([setup(), setup(), setup()])).toEqual([0, 0, 0])
  expect(await setup()).toBe(0)
  expect(installations()).toBe(1)
  expect(existsSync(join(dir, '.millrace-setup'))).toBe(false)
  rmSync(dir, { recursive: true })
})

test.skipIf(process.platform === 'win32')('the lock of a process that is gone is taken over', async () => {
  const { dir, setup, installations } = checkout()
  const gone = spawn(process.execPath, ['-e', ''])
  await once(gone, 'exit')
  mkdirSync(join(dir, '.millrace-setup'))
  writeFileSync(join(dir, '.millrace-setup/pid'), String(gone.pid))
  expect(await setup()).toBe(0)
  expect(installations()).toBe(1)
  rmSync(dir, { recursive: true })
})
