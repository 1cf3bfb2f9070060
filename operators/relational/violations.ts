/** Rows that break an expectation without being dead letters. */
import type { StageRun } from '../../engine/contracts.ts'
import type { Connection } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Compilation, compile, compileDeadLetters, type Relations } from './compile.ts'
import type { Plan } from './plan.ts'
import type { StagePlan } from './stage-plan.ts'

/**
 * Violations by step, of expectations that warn or drop.
 * @throws MillraceError `RECORDS_FAILED_EXPECTATION` for one that fails the batch, naming rules and first positions.
 */
export async function countViolations(
  run: StageRun,
  plan: StagePlan,
  connection: Connection,
  compilation: Compilation,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const [step, planned] of plan.steps) {
    if (planned?.violations === undefined) continue
    const rows = await count(connection, compile(planned.violations.plan, compilation))
    if (rows === 0) continue
    if (planned.violations.onViolation === 'fail')
      throw await failedExpectation({ run, step, rows }, planned.violations.plan, connection, compilation.relations)
    counts.set(step, rows)
  }
  return counts
}

async function count(connection: Connection, query: string): Promise<number> {
  const [counted] = await connection.rows(`SELECT count(*) AS n FROM (${query})`)
  return Number(counted?.n ?? 0)
}

async function failedExpectation(
  { run, step, rows }: { readonly run: StageRun; readonly step: string; readonly rows: number },
  violations: Plan,
  connection: Connection,
  relations: Relations,
): Promise<MillraceError> {
  const query = compileDeadLetters(violations, { pipeline: run.pipeline, step }, relations)
  const first = await connection.rows(
    `SELECT message, topic, "partition", "offset" FROM (${query}) ORDER BY topic, "partition", "offset", message LIMIT 3`,
  )
  const places = first.map(({ message, topic, partition, offset }) =>
    topic === null ? String(message) : `${topic}/${partition} offset ${offset}: ${message}`,
  )
  return new MillraceError(
    'RECORDS_FAILED_EXPECTATION',
    `pipeline ${run.pipeline}, step ${step}: ${rows} row${rows === 1 ? '' : 's'} failed an expectation: ${places.join(' | ')} (mend the data, or let the step warn, drop or dead-letter)`,
    { context: { pipeline: run.pipeline, step, rows } },
  )
}
