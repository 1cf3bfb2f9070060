import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'

const imported = `const { endProcess } = await import(${JSON.stringify(new URL('./end-process.ts', import.meta.url).href)})`

async function ended(program: string): Promise<readonly [code: number | null, signal: string | null]> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', `${imported}; ${program}`], {
    stdio: 'inherit',
  })
  return (await once(child, 'exit')) as [number | null, string | null]
}

test('a process that is done ends with its exit code', async () => {
  expect(await ended('process.exitCode = 3; endProcess()')).toEqual([3, null])
})

test('what was left behind and would go on for ever ends with it', async () => {
  expect(await ended('process.exitCode = 3; setInterval(() => {}, 1000); endProcess()')).toEqual([3, null])
})

test.runIf(process.platform === 'linux')(
  'native work that goes on does not keep a process, nor its exit code',
  async () => {
    const work = "(await import('node:crypto')).pbkdf2('a', 'b', 2 ** 31 - 1, 64, 'sha512', () => {})"
    expect(await ended(`process.exitCode = 3; ${work}; endProcess()`)).toEqual([3, null])
  },
)

test('a process that hangs while it ends is ended, whether it ends by itself or not', async () => {
  const hang = "process.once('exit', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))"
  const both = [ended(`endProcess(); ${hang}`), ended(`endProcess(); ${hang}; setInterval(() => {}, 1000)`)]
  expect(await Promise.all(both)).toEqual([
    [null, 'SIGKILL'],
    [null, 'SIGKILL'],
  ])
})
