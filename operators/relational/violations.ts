/** Rows that break an expectation without being dead letters. */
import type { StageRun } from '../../engine/contracts.ts'
import type { Connection } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Compilation, compile, compileDeadLetters, type Relations } from './compile.ts'
import type { Plan } from './plan.ts'
import { anyNulled } from './rejections.ts'
import type { StagePlan } from './stage-plan.ts'

/** Violations by step, of every expectation that does not send rows to the dead letters. */
export async function countViolations(
  plan: StagePlan,
  connection: Connection,
  compilation: Compilation,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const [step, planned] of plan.steps) {
    if (planned?.violations === undefined) continue
    const rows = await count(connection, compile(planned.violations.plan, compilation))
    if (rows > 0) counts.set(step, rows)
  }
  return counts
}

/**
 * @param relations of all that the stage reads
 * @throws MillraceError `RECORDS_FAILED_EXPECTATION` if an expectation that fails the batch was broken, naming rules and first positions.
 */
export async function refuseFailed(
  run: StageRun,
  plan: StagePlan,
  counts: ReadonlyMap<string, number>,
  { connection, relations }: { readonly connection: Connection; readonly relations: Relations },
): Promise<void> {
  for (const [step, rows] of counts) {
    const violations = plan.steps.get(step)?.violations
    if (violations?.onViolation === 'fail')
      throw await failedExpectation({ run, step, rows }, violations.plan, connection, relations)
  }
}

/** Rows by step in which null stands for what was not as declared; once their valid rows are computed. */
export async function countNulled(
  plan: StagePlan,
  connection: Connection,
  compilation: Compilation,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  const steps = [...plan.steps].flatMap(([step, planned]) => (planned?.nulled ? [[step, planned.nulled] as const] : []))
  if (steps.length === 0 || !(await anyNulled(connection))) return counts
  for (const [step, nulled] of steps) {
    const rows = await count(connection, compile(nulled, compilation))
    if (rows > 0) counts.set(step, rows)
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
