/** Lightweight parsing: a few fields become typed columns, the bytes stay as they came. */
import type { Json, Step } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { recordColumns } from '../../engine/record.ts'
import type { Field, NamedField } from './fields.ts'
import { compilePaths } from './paths.ts'

/**
 * A step that reads each record's `value` as a JSON object and appends a column per field, in the order given. The
 * columns that come in go out unchanged. Rejected are documents that `JSON.parse` would refuse, that are no objects,
 * that are not UTF-8, or that hold a field twice, and fields that are missing or of another type. Of the rest of the
 * document nothing is kept or judged. Records without a value (tombstones) are taken if every field says what it is then.
 */
export function parseCritical(
  id: string,
  fields: { readonly [name: string]: Field },
  options: { readonly from?: string } = {},
): Step {
  const list = Object.entries(fields).map(([name, field]) => ({ name, ...field }))
  const problem = problemOf(list)
  if (problem !== null)
    throw new MillraceError('DEFINITION_INVALID', `step ${id}: ${problem}`, { problems: [`step ${id}: ${problem}`] })
  return {
    id,
    kind: 'parse-critical',
    executor: 'columns',
    ...(options.from === undefined ? {} : { from: [options.from] }),
    rejects: true,
    options: { fields: list as unknown as Json },
  }
}

function problemOf(fields: readonly NamedField[]): string | null {
  if (fields.length === 0) return 'no fields (name at least one)'
  const taken = fields.find(({ name }) => recordColumns.some((column) => column.name === name))
  if (taken !== undefined) return `field ${taken.name} has the name of a record column (choose another)`
  return compilePaths(fields.map(({ path }) => path)).problem
}
