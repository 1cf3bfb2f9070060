import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const dir = mkdtempSync(join(tmpdir(), 'millrace-stop-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)

/** Runs a program that works until it is stopped; sends so many signals once it has begun, and says how it ended. */
async function stopped(work: string, signals: number) {
  const path = join(dir, `${Math.random()}.mjs`)
  writeFileSync(
    path,
    `import { open } from 'node:fs/promises'
    import { stopSignals } from ${url('./stop-signals.ts')}
    import { endProcess } from ${url('./end-process.ts')}
    const stop = stopSignals('stopping')
    const working = (async () => { ${work} })()
    console.log('begun')
    const ended = await stop.within(working)
    console.log(ended === null ? 'left behind' : 'ended')
    endProcess()`,
  )
  const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  child.stderr.resume()
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString('utf8')
      resolve()
    })
  })
  const startedMs = performance.now()
  const closed = new Promise<number>((resolve) => child.once('close', () => resolve(performance.now() - startedMs)))
  for (let i = 0; i < signals; i += 1) {
    child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 200)) // signals that come together are one
  }
  return { ms: await closed, out: out.trim().split('\n').at(-1) }
}

const untilStopped =
  'if (!stop.stop.aborted) await new Promise((resolve) => stop.stop.addEventListener("abort", resolve))'

test('work that sees the signal ends by itself', async () => {
  const { ms, out } = await stopped(
    `const alive = setInterval(() => {}, 100); ${untilStopped}; clearInterval(alive)`,
    1,
  )
  expect(out).toBe('ended')
  expect(ms).toBeLessThan(10_000)
})

test.each([1, 2])('a process that hangs ends within ten seconds of the first of %i signals', async (signals) => {
  const { ms, out } = await stopped('setInterval(() => {}, 1000); await new Promise(() => {})', signals)
  expect(out).toBe('left behind')
  expect(ms).toBeLessThan(10_000)
})

test.skipIf(process.platform === 'win32')(
  'so does one that hangs in native code, for which an exit would wait',
  async () => {
    const fifo = join(dir, 'fifo')
    execFileSync('mkfifo', [fifo])
    const { ms } = await stopped(`await open(${JSON.stringify(fifo)}, 'r')`, 2)
    expect(ms).toBeLessThan(10_000)
  },
)
