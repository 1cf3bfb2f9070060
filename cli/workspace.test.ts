import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
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
