/** Every relational operator by its kind. */
import { planExpect } from '../expect.ts'
import { planFilter } from '../filter.ts'
import { planFlatten } from '../flatten.ts'
import { planLatestByKey } from '../latest-by-key.ts'
import { planNetChanges } from '../net-changes.ts'
import { planParse } from '../parse/typed.ts'
import { planDerive, planDrop, planSelect } from '../select.ts'
import { planSql } from '../sql.ts'
import { planUnion } from '../union.ts'
import type { Planner } from './plan.ts'

/** `options` are what the operator's own function put into the step. */
export const planners: Readonly<Record<string, Planner<never>>> = {
  select: planSelect,
  derive: planDerive,
  'track-changes': planDerive,
  drop: planDrop,
  filter: planFilter,
  flatten: planFlatten,
  union: planUnion,
  'latest-by-key': planLatestByKey,
  'net-changes': planNetChanges,
  parse: planParse,
  expect: planExpect,
  sql: planSql,
}
