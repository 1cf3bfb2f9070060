/** One writer of a race. Started by race.ts: `node checks/racer.ts <writer> <writers> <commits> <dir> <lake>`. */
import type { Sink, SinkCommit } from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'
import { appended, merged, openRaceLake } from './race-lake.ts'

/** What it met. */
export interface RacerReport {
  /** Batches that were given back because others kept being faster. */
  readonly conflicts: number
}

const [writer = 0, writers = 1, commits = 1] = process.argv.slice(2).map(Number)
const [dir = '', lake = ''] = process.argv.slice(5)
const race = await openRaceLake(dir, lake, `writer-${writer}`)
const append = race.sink(appended, { mode: 'append' })
const merge = race.sink(merged, { mode: 'merge', key: ['k'], newer: ['v'] })
let conflicts = 0
for (let n = 0; n < commits; n++) {
  await commit(append, await race.batch(n, `SELECT ${writer} AS writer, ${n} AS n`))
  const rows = `(${writer + 1}, ${n}), (0, ${n * writers + writer})`
  await commit(merge, await race.batch(n, `SELECT k::BIGINT AS k, v::BIGINT AS v FROM (VALUES ${rows}) t(k, v)`))
}
await race.close()
console.log(JSON.stringify({ conflicts } satisfies RacerReport))

/** As the loop does it: what was given back is run again. */
async function commit(sink: Sink, batch: SinkCommit): Promise<void> {
  for (;;) {
    const outcome = await sink.commit(batch)
    if (outcome.kind === 'committed' || outcome.kind === 'already-committed') return
    if (outcome.kind === 'fenced') throw new MillraceError('SINK_FAILED', 'a writer was fenced by nobody')
    conflicts += 1
  }
}
