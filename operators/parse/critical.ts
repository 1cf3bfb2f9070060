/** Lightweight parsing: a few fields become typed columns, the bytes stay as they came. */
import type { Json, Step } from '../../engine/contracts.ts'
import { recordColumns } from '../../engine/record.ts'
import { examine, mapOf, objectOf, optional, text } from '../../engine/shape.ts'
import { type Field, fieldShape, type NamedField } from './fields.ts'
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
  const { value, problems: faults = [] } = examine(fields, fieldsShape)
  const { value: input, problems: ofOptions = [] } = examine(options, optionsShape)
  const list = Object.entries(value ?? {}).map(([name, field]) => ({ name, ...field }))
  const problems = [...faults, ...ofOptions, ...(value === undefined ? [] : problemsOf(list))]
  return {
    id,
    kind: 'parse-critical',
    executor: 'columns',
    ...(input?.from === undefined ? {} : { from: [input.from] }),
    rejects: true,
    ...(problems.length === 0 ? {} : { problems }),
    options: { fields: list as unknown as Json },
  }
}

const optionsShape = objectOf({ from: optional(text) })
const fieldsShape = mapOf(fieldShape)

function problemsOf(fields: readonly NamedField[]): string[] {
  if (fields.length === 0) return ['no fields (name at least one)']
  const problems: string[] = []
  for (const { name, problem } of fields) {
    if (problem !== undefined) problems.push(`field ${name}: ${problem}`)
    if (recordColumns.some((column) => column.name === name))
      problems.push(`field ${name} has the name of a record column (choose another)`)
  }
  const together = compilePaths(fields.map(({ path }) => path)).problem
  return together === null || problems.length > 0 ? problems : [together]
}
