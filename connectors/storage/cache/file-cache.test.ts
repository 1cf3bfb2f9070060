import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemIds } from '../../../engine/clock.ts'
import type { Clock } from '../../../engine/contracts.ts'
import { processName } from '../../../engine/process-name.ts'
import { type CachedObject, entryName, lockName } from './entry.ts'
import { type FileCache, openFileCache } from './file-cache.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-cache-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let folders = 0
const fresh = (): string => join(root, `cache-${folders++}`)
let now = 1_700_000_000_000
const clock: Clock = { nowMs: () => now, sleep: () => new Promise((resolve) => setImmediate(resolve)) }
const minutes = 60_000

function open(dir: string, limitBytes = 1_000_000): FileCache {
  return openFileCache({ dir, limitBytes, clock, ids: systemIds })
}
function object(key: string, sizeBytes = 100, etag = 'v1'): CachedObject {
  return { source: 's3://b', key, etag, sizeBytes }
}
const contentOf = ({ key, sizeBytes, etag }: CachedObject): string => `${key} ${etag}`.padEnd(sizeBytes, '.')

/** Asks for an object and counts how often it was downloaded. */
async function ask(cache: FileCache, wanted: CachedObject, downloads = { count: 0 }): Promise<string> {
  const path = await cache.file(wanted, async (to) => {
    downloads.count += 1
    writeFileSync(to, contentOf(wanted))
    now += 1 // a file is never used in the same millisecond as another
  })
  return readFileSync(path, 'utf8') === contentOf(wanted) ? path : 'other bytes'
}
const copies = (dir: string): string[] => readdirSync(join(dir, 'files')).filter((name) => !name.startsWith('.'))
const bytesIn = (dir: string): number =>
  copies(dir).reduce((sum, name) => sum + statSync(join(dir, 'files', name)).size, 0)

test('what is asked for many times at once is downloaded once, and has one path', async () => {
  const cache = open(fresh())
  const downloads = { count: 0 }
  const paths = await Promise.all(Array.from({ length: 20 }, () => ask(cache, object('a'), downloads)))
  expect([downloads.count, new Set(paths).size]).toEqual([1, 1])
  expect(await ask(cache, object('a'), downloads)).toBe(paths[0])
  expect(downloads.count).toBe(1)
})

test('another version, size, key or store is another file', async () => {
  const cache = open(fresh())
  const same = object('a')
  const others = [object('a', 100, 'v2'), object('a', 101), object('b'), { ...same, source: 's3://c' }]
  const paths = await Promise.all([same, ...others].map((each) => ask(cache, each)))
  expect(new Set(paths).size).toBe(5)
})

test('copies outlive the process, and the folder may be deleted', async () => {
  const dir = fresh()
  const [first, downloads] = [open(dir), { count: 0 }]
  await ask(first, object('a'), downloads)
  first.close()
  const second = open(dir)
  await ask(second, object('a'), downloads)
  expect(downloads.count).toBe(1)
  rmSync(dir, { recursive: true })
  await ask(second, object('a'), downloads)
  expect(downloads.count).toBe(2)
})

test('a copy of another size is not taken, wherever it became so', async () => {
  const dir = fresh()
  const [cache, downloads] = [open(dir), { count: 0 }]
  const path = await ask(cache, object('a'), downloads)
  truncateSync(path, 50)
  expect(await ask(cache, object('a'), downloads)).toBe(path)
  expect(downloads.count).toBe(2)
  cache.close()
  appendFileSync(join(dir, 'files', copies(dir)[0]!), 'more')
  await ask(open(dir), object('a'), downloads)
  expect(downloads.count).toBe(3)
})

test('a download that fails is told to all who wait, leaves nothing, and is tried again by the next', async () => {
  const dir = fresh()
  const cache = open(dir)
  const fail = () =>
    cache.file(object('a'), async (to) => {
      writeFileSync(to, 'half')
      throw new Error('no network')
    })
  const ends = await Promise.allSettled([fail(), fail()])
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await expect(cache.file(object('a'), async (to) => writeFileSync(to, 'short'))).rejects.toThrow('100 bytes')
  expect(readdirSync(join(dir, 'files'))).toEqual([])
  await ask(cache, object('a'))
})

test('the limit is kept, and what was used last stays', async () => {
  const dir = fresh()
  const cache = open(dir, 1_000)
  const downloads = { count: 0 }
  for (let i = 0; i < 30; i += 1) {
    await ask(cache, object(`k${i}`), downloads)
    await ask(cache, object('k0'), downloads)
    expect(bytesIn(dir)).toBeLessThanOrEqual(1_000)
  }
  cache.close()
  const next = open(dir, 1_000)
  downloads.count = 0
  for (const i of [0, 29, 28, 27, 26, 25, 24, 23, 22]) await ask(next, object(`k${i}`), downloads)
  expect(downloads.count).toBe(0)
  await ask(next, object('k5'), downloads)
  expect(downloads.count).toBe(1)
})

test('a file beyond the limit is handed out, and not kept', async () => {
  const dir = fresh()
  const cache = open(dir, 50)
  await ask(cache, object('a'))
  expect(copies(dir)).toEqual([])
})

test('what a batch was handed stays as long as the batch, whatever is evicted', async () => {
  const dir = fresh()
  const cache = open(dir, 300)
  const [releaseShort, release] = [cache.hold(), cache.hold()]
  const held = await ask(cache, object('held'))
  for (let i = 0; i < 10; i += 1) await ask(cache, object(`other${i}`))
  now += 60 * minutes
  releaseShort()
  expect(readFileSync(held, 'utf8')).toBe(contentOf(object('held')))
  expect(bytesIn(dir)).toBeLessThanOrEqual(300)
  release()
  expect(existsSync(held)).toBe(false)
})

test('what was handed out beside any batch stays for ten minutes', async () => {
  const cache = open(fresh(), 0)
  const path = await ask(cache, object('a'))
  now += 9 * minutes
  cache.hold()()
  expect(existsSync(path)).toBe(true)
  now += 2 * minutes
  cache.hold()()
  expect(existsSync(path)).toBe(false)
  await ask(cache, object('a'))
})

test('a file that was just uploaded is taken over', async () => {
  const dir = fresh()
  const [cache, downloads] = [open(dir), { count: 0 }]
  const path = join(root, 'uploaded')
  writeFileSync(path, contentOf(object('a')))
  await cache.adopt(object('a'), path)
  rmSync(path)
  await ask(cache, object('a'), downloads)
  expect(downloads.count).toBe(0)
})

/** A process that asks for `a` and downloads it as the text says. */
function asker(dir: string, download: string): ChildProcess {
  const from = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const script = `
    import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
    import { openFileCache } from ${from('./file-cache.ts')}
    import { systemClock as clock, systemIds as ids } from ${from('../../../engine/clock.ts')}
    const [dir, content] = ${JSON.stringify([dir, contentOf(object('a'))])}
    const cache = openFileCache({ dir, limitBytes: 1e6, clock, ids })
    const path = await cache.file(${JSON.stringify(object('a'))}, async (to) => { ${download} })
    process.exit(readFileSync(path, 'utf8') === content ? 0 : 1)`
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
}

test('processes that want the same file share one download', async () => {
  const dir = fresh()
  const log = join(root, 'downloads')
  const download = `appendFileSync(${JSON.stringify(log)}, 'x'); await clock.sleep(200); writeFileSync(to, content)`
  const ends = await Promise.all(Array.from({ length: 4 }, async () => once(asker(dir, download), 'exit')))
  expect(ends.map(([code]) => code)).toEqual([0, 0, 0, 0])
  expect(readFileSync(log, 'utf8')).toBe('x')
})

test('what a killed process had half downloaded is not taken for whole, nor waited for, nor left for ever', async () => {
  const dir = fresh()
  const child = asker(
    dir,
    `writeFileSync(to, content.slice(50)); console.log('half'); setInterval(() => {}, 1e6); await new Promise(() => {})`,
  )
  await once(child.stdout!, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(readdirSync(join(dir, 'files')).filter((name) => name.endsWith('.tmp'))).toHaveLength(1)
  const downloads = { count: 0 }
  await ask(open(dir), object('a'), downloads)
  expect(downloads.count).toBe(1)
  await ask(open(dir), object('b'))
  expect(readdirSync(join(dir, 'files')).filter((name) => name.startsWith('.'))).toEqual([])
  expect(readdirSync(join(dir, 'held')).map((name) => name.split('.')[0])).not.toContain(String(child.pid))
})

test.each([
  ['as an earlier version named it', String(process.pid)],
  ['that began at another time', `${process.pid}.0000-1.${processName().split('.')[2]}`],
])(
  'what a killed run left is not taken for ours although it had our process id, as in a container: %s',
  async (_, left) => {
    const dir = fresh()
    const name = entryName(object('a'))
    const links = join(dir, 'held', left.includes('.') ? `${left}~some-id` : `${left}-some-id`)
    for (const folder of [links, join(dir, 'files')]) mkdirSync(folder, { recursive: true })
    writeFileSync(join(links, 'link'), 'x')
    writeFileSync(join(dir, 'files', lockName(name)), left)
    writeFileSync(join(dir, 'files', `.${name}.${left}.some-id.tmp`), 'x')
    const cache = open(dir)
    expect(existsSync(links)).toBe(false)
    await ask(cache, object('a')) // nor waited for
    expect(readdirSync(join(dir, 'files'))).toEqual([name])
  },
)

test('what another host left goes when it was not touched for a day', async () => {
  const dir = fresh()
  const links = join(dir, 'held', '1.0000-1.elsewhere~some-id')
  mkdirSync(links, { recursive: true })
  utimesSync(links, now / 1000, now / 1000)
  open(dir)
  expect(existsSync(links)).toBe(true)
  now += 25 * 60 * minutes
  open(dir)
  expect(existsSync(links)).toBe(false)
})
