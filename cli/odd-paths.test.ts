import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { differences } from './dump.ts'
import { dumpOfWholeRun, makeDataDir, removeAll, runPlatform, simulateInto, withWorkspace } from './platform.testing.ts'

const dirs: string[] = []
afterAll(() => removeAll(...dirs))

test('a data directory may be called anything that engines take for a pattern, a column or an escape', async () => {
  const plain = await makeDataDir()
  const around = await mkdtemp(join(tmpdir(), 'millrace-odd-'))
  dirs.push(plain, around)
  const odd = join(around, `year=1 b[c-d]*{e} 100%20 #f 'g' "h" ü日`, 'x')
  await simulateInto(plain, { seed: 7, titles: 10 })
  await cp(join(plain, 'log'), join(odd, 'log'), { recursive: true })
  const expected = await dumpOfWholeRun(plain)
  expect(expected.get('graph:Person-ACTED_IN-Movie')?.length).toBeGreaterThan(0)
  expect(differences(await dumpOfWholeRun(odd), expected)).toEqual([])
}, 120_000)

test('a question mark in the path stops DuckDB stores by name, since their write-ahead log would lie elsewhere', async () => {
  const around = await mkdtemp(join(tmpdir(), 'millrace-odd-'))
  dirs.push(around)
  const dir = join(around, 'what?', 'x')
  await simulateInto(dir, { seed: 7, titles: 2 })
  await expect(withWorkspace(dir, (workspace) => runPlatform(workspace))).rejects.toThrow(
    /olap\.duckdb: DuckDB .* path of a file holds a \? \(choose a data directory without one\)$/,
  )
}, 120_000)
