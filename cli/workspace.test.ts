import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { processName } from '../engine/process-name.ts'
import { openWorkspace } from './workspace.ts'

test('a data directory that cannot be made is refused by name, with what to do', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-workspace-'))
  try {
    writeFileSync(join(dir, 'file'), '')
    await expect(
      openWorkspace({ dataDir: join(dir, 'file'), workers: 0, memoryLimitBytes: 2 ** 28 }),
    ).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining(join(dir, 'file', 'lake')),
    })
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('scratch folders of runs that are gone are removed, also of one that had our process id, none of those that live', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-workspace-'))
  try {
    const host = processName().split('.')[2]
    const folders = {
      gone: [`${process.pid}-id`, `${process.pid}.0000-1.${host}~id`, `999999998.0000-1.${host}~id`],
      living: [`${process.ppid}-id`, `${processName()}~id`, '1.0000-1.elsewhere~id'],
    }
    const made = (names: readonly string[]) => names.map((name) => join(dir, 'tmp', name))
    for (const path of made(Object.values(folders).flat())) mkdirSync(path, { recursive: true })
    await (await openWorkspace({ dataDir: dir, workers: 0, memoryLimitBytes: 2 ** 28 })).close()
    expect(made(folders.gone).filter((path) => existsSync(path))).toEqual([])
    expect(made(folders.living).filter((path) => !existsSync(path))).toEqual([])
  } finally {
    rmSync(dir, { recursive: true })
  }
})
