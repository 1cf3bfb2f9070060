import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** Builds for platforms of which no registry that we can ask gives the hash. */
const unhashed = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'win32-x64'].map(
  (platform) => `node_modules/@ladybugdb/core-${platform}`,
)

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly integrity?: string }>>
}

test.each(['package-lock.json', 'operators/parse/kernel/package-lock.json'])(
  'what is installed by %s is checked by its hash',
  (file) => {
    const { packages } = JSON.parse(readFileSync(join(import.meta.dirname, '..', file), 'utf8')) as LockFile
    const without = Object.entries(packages).filter(([name, { integrity }]) => name !== '' && integrity === undefined)
    expect(without.map(([name]) => name).filter((name) => !unhashed.includes(name))).toEqual([])
  },
)

test('no script runs a package that no lock file names', () => {
  const { scripts } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>
  }
  expect(Object.values(scripts).filter((script) => /\bnpx\b|--package/.test(script))).toEqual([])
})
