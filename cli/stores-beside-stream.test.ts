import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { movieEvent, type TestData, testData } from './data-dir.testing.ts'

vi.setConfig({ testTimeout: 180_000 }) // several processes start in each

let data: TestData
const started: ChildProcess[] = []

beforeEach(async () => {
  data = testData()
  await data.send('tmdb.movies', movieEvent(1, 'One'), movieEvent(2, 'Two'))
  await data.run('bronze-movies', 'silver-movies', 'olap-movies')
})
afterEach(() => {
  for (const process of started.splice(0)) process.kill('SIGKILL')
  data.remove()
})

/** A process, and what it prints to either output until a line fits. */
function start(words: readonly string[]) {
  const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env } })
  started.push(child)
  const lines: string[] = []
  const waiting = new Set<() => void>()
  for (const output of [child.stdout, child.stderr])
    createInterface(output).on('line', (line) => {
      lines.push(line)
      for (const wake of waiting) wake()
    })
  const ended = new Promise<number | null>((resolve) => child.once('close', (status) => resolve(status)))
  return {
    child,
    ended,
    async line(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = lines.findIndex((line) => pattern.test(line))
        if (found >= 0) return lines.splice(found, 1)[0]!
        await Promise.race([
          new Promise<void>((resolve) => waiting.add(resolve)),
          ended.then((status) => {
            throw new Error(`ended with ${status}: ${lines.join('\n')}`)
          }),
        ])
      }
    },
  }
}

const millrace = (...words: readonly string[]) =>
  start([join(import.meta.dirname, 'main.ts'), ...words, '--data', data.config.dataDir])

/** A program of another kind that has the store open, until it is spoken to. */
function foreigner() {
  const path = join(data.config.dataDir, 'stores', 'olap.duckdb')
  const script = `require('@duckdb/node-api').DuckDBInstance.create(${JSON.stringify(path)}).then((db) => {
    console.log('held'); process.stdin.once('data', () => { db.closeSync(); process.exit(0) }) })`
  return start(['-e', script])
}

test('a stream waits for a program that holds a store, with a warning that names it, and goes on', async () => {
  const holder = foreigner()
  await holder.line(/held/)
  const stream = millrace('run', 'bronze-movies', 'silver-movies', 'olap-movies', '--every', '1')
  const warning = JSON.parse(await stream.line(/store-held/))
  expect(warning).toMatchObject({
    level: 'warn',
    outcome: 'store-held',
    store: join(data.config.dataDir, 'stores', 'olap.duckdb'),
    holder: `process ${holder.child.pid}`,
  })
  await data.send('tmdb.movies', movieEvent(3, 'Three'))
  await stream.line(/"pipeline":"silver-movies","outcome":"committed"/) // no other pipeline notices
  holder.child.stdin.write('end\n')
  await stream.line(/"pipeline":"olap-movies","outcome":"committed"/)
  stream.child.kill('SIGINT')
  expect(await stream.ended).toBe(0)
})

test('a stream that waits for a program that holds a store ends when it is stopped', async () => {
  const holder = foreigner()
  await holder.line(/held/)
  const stream = millrace('run', 'olap-movies', '--every', '1')
  await stream.line(/store-held/)
  stream.child.kill('SIGINT')
  expect(await stream.ended).not.toBe(null) // by itself, within the time that is given to it
})

test('a question asked beside a stream is answered from what the stream has committed, and stops nothing', async () => {
  const stream = millrace('run', 'bronze-movies', 'silver-movies', 'olap-movies', '--every', '1')
  const long = millrace(
    'olap',
    'SELECT count(*) AS n FROM movies, range(1000000) a, range(1000000) b WHERE a.range + b.range > 7',
  )
  await data.send('tmdb.movies', movieEvent(3, 'Three'))
  await stream.line(/"pipeline":"olap-movies","outcome":"committed"/)
  const question = millrace('olap', 'SELECT count(*) AS n FROM movies', '--json')
  expect(await question.line(/"n"/)).toBe('{"n":3}')
  expect(long.child.exitCode).toBe(null)
  long.child.kill('SIGKILL')
  await data.send('tmdb.movies', movieEvent(4, 'Four'))
  await stream.line(/"pipeline":"olap-movies","outcome":"committed"/)
  stream.child.kill('SIGINT')
  expect(await stream.ended).toBe(0)
})
