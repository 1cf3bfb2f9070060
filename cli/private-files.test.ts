import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const root = mkdtempSync(join(tmpdir(), 'millrace-private-'))
afterAll(() => rmSync(root, { recursive: true }))
const posix = process.platform !== 'win32'

/** Runs a command as a user would whose files others may read, with a home and a temporary folder of its own. */
function millrace(home: string, ...words: readonly string[]): void {
  const shared = join(root, 'shared-tmp')
  mkdirSync(shared, { recursive: true })
  const env = { PATH: process.env.PATH, HOME: home, TMPDIR: shared, MILLRACE_WORKERS: '1' }
  const main = join(import.meta.dirname, 'main.ts')
  execFileSync('/bin/sh', ['-c', 'umask 022; exec "$0" "$@"', process.execPath, main, ...words], { env, stdio: 'pipe' })
}

function newHome(name: string): string {
  const home = join(root, name)
  mkdirSync(home)
  return home
}

test.skipIf(!posix)('data, scratch files and compiled code are readable by their user alone', () => {
  const [home, data] = [newHome('home'), join(root, 'data')]
  millrace(home, 'simulate', '--titles', '20', '--data', data)
  millrace(
    home,
    'run',
    'bronze-movies',
    'silver-movies',
    'olap-movies',
    'graph-movies',
    '--available-now',
    '--data',
    data,
  )
  const entries = [data, join(home, '.cache/millrace')].flatMap((dir) => [
    dir,
    ...readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name)),
  ])
  expect(entries.length).toBeGreaterThan(50)
  expect(entries.filter((path) => (lstatSync(path).mode & 0o077) !== 0)).toEqual([])
  expect(readdirSync(join(root, 'shared-tmp'))).toEqual([]) // Node's own default is there
})

test.skipIf(!posix)('code is loaded from no folder that somebody else may write to', () => {
  const prepared: readonly ((cache: string) => void)[] = [
    (cache) => {
      mkdirSync(cache, { recursive: true })
      chmodSync(cache, 0o777)
    },
    (cache) => {
      mkdirSync(join(cache, '..'), { recursive: true })
      const elsewhere = mkdtempSync(join(root, 'elsewhere-'))
      chmodSync(elsewhere, 0o777)
      symlinkSync(elsewhere, cache)
    },
  ]
  for (const [i, prepare] of prepared.entries()) {
    const home = newHome(`prepared-${i}`)
    const cache = join(home, '.cache/millrace/compiled')
    prepare(cache)
    millrace(home, '--help')
    expect(readdirSync(cache)).toEqual([])
  }
  expect(existsSync(join(root, 'shared-tmp'))).toBe(true)
  expect(readdirSync(join(root, 'shared-tmp'))).toEqual([])
})
