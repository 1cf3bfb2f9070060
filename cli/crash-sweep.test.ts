import { afterAll, beforeAll, expect, test } from 'vitest'
import { MillraceError } from '../engine/errors.ts'
import { type ArmedFault, type FaultPoint, faultPoints } from '../engine/fault-points.ts'
import { entertainment } from '../pipelines/entertainment/index.ts'
import { type Dump, differences, dumpAll } from './dump.ts'
import {
  dumpOfWholeRun,
  makeDataDir,
  removeAll,
  runPlatform,
  sameLog,
  simulateInto,
  withWorkspace,
} from './platform.testing.ts'

const seed = Date.now() % 2 ** 31
/** Series go the way of movies; `checks/crash-sweep.ts` has them too. */
const pipelines = entertainment.filter(({ name }) => !name.endsWith('tv_series'))
let whole: string
let expected: Dump

beforeAll(async () => {
  console.log(`seed ${seed}`)
  whole = await makeDataDir()
  await simulateInto(whole, { seed, titles: 7 })
  expected = await dumpOfWholeRun(whole, pipelines)
})
afterAll(() => removeAll(whole))

/** Whether the run ended by the fault, rather than at the end of its input. */
async function crashes(dataDir: string, fault: ArmedFault): Promise<boolean> {
  try {
    await withWorkspace(dataDir, (workspace) => runPlatform(workspace, { pipelines, maxRecords: () => 25 }), fault)
    return false
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'FAULT_INJECTED') return true
    throw error
  }
}

test.each(faultPoints)(
  'stopped at %s, twice, and started again, everything ends as without',
  async (point: FaultPoint) => {
    const broken = await sameLog(whole)
    try {
      const first = await crashes(broken, { point, passage: 1, action: 'crash' })
      await crashes(broken, { point, passage: 2 + (seed % 3), action: 'crash' })
      const dump = await withWorkspace(broken, async (workspace) => {
        await runPlatform(workspace, { pipelines })
        return dumpAll(workspace)
      })
      expect(first).toBe(point !== 'log-checkpoint-written') // a log checkpoint that fails stops nothing
      expect(differences(dump, expected)).toEqual([])
    } finally {
      await removeAll(broken)
    }
  },
)
