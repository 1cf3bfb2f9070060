/**
 * Rows that a step rejects, counted while its valid rows are computed: reading the documents a second time, for the
 * dead letters, is then left out where there are none.
 */

import { type Connection, identifier, literal } from '../../engine/duckdb.ts'
import { nullCounter, rejectionCounter } from '../expressions/duckdb.ts'
import { inputsOf, type Plan, type StepPlan } from './plan.ts'

/** Makes a connection ready for statements that count, from nothing: also to describe them. */
export async function openRejections(connection: Connection): Promise<void> {
  for (const counter of [rejectionCounter, nullCounter])
    await connection.run(`CREATE OR REPLACE TEMP SEQUENCE ${identifier(counter)}`)
}

/** Whether any row has been rejected by a step that counts, since {@link openRejections}. */
export function anyRejected(connection: Connection): Promise<boolean> {
  return hasCounted(connection, rejectionCounter)
}

/** Whether null has been put in the place of any value, since {@link openRejections}. */
export function anyNulled(connection: Connection): Promise<boolean> {
  return hasCounted(connection, nullCounter)
}

async function hasCounted(connection: Connection, counter: string): Promise<boolean> {
  const [found] = await connection.rows(
    `SELECT count(*) AS n FROM duckdb_sequences() WHERE temporary AND sequence_name = ${literal(counter)} AND last_value IS NOT NULL`,
  )
  return Number(found?.n ?? 0) > 0
}

/**
 * Whether computing `plans` has judged every row of a step that counts. Only operators that read all of their input,
 * whatever it holds, may stand between: a filter that the engine finds to be false would spare it the reading. One that
 * judges is none of these: the engine does not know what counting gives.
 */
export function judgesAll(plans: readonly Plan[], step: StepPlan): boolean {
  return step.countsRejected === true && plans.some((plan) => readsAll(plan, step.valid))
}

function readsAll(plan: Plan, target: Plan): boolean {
  if (plan === target) return true
  const isWhole = plan.op === 'project' || plan.op === 'latest' || plan.op === 'union' || isJudging(plan)
  return isWhole && inputsOf(plan).some((input) => readsAll(input, target))
}

function isJudging(plan: Plan): boolean {
  return plan.op === 'filter' && plan.where.op === 'call' && plan.where.name === 'judged'
}
