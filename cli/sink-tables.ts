/** Whether a table can be as the description of its sink asks for. Pure. */
import { ruleProblems } from '../connectors/delta/constraints/rules.ts'
import type { DeltaSinkOptions } from '../connectors/delta/description.ts'
import { clauseProblems } from '../connectors/delta/merge-clauses.ts'
import { replaceWhereProblems } from '../connectors/delta/overwrite.ts'
import { partitionByProblems } from '../connectors/delta/partitions/partition-by.ts'
import { parseRetention, retentionForm } from '../connectors/delta/retention.ts'
import type { SinkDescription } from '../engine/contracts.ts'
import type { Column } from '../engine/schema.ts'
import type { StepColumns } from './sink-columns.ts'

/**
 * One line for each fault of a table sink's partitions, rules and clauses.
 * @param table the table's columns once the sink has written to it, or null while nobody knows them
 */
export function tableProblems(
  { writes, inputs, options }: SinkDescription,
  known: StepColumns,
  table: readonly Column[] | null,
): string[] {
  const asked = options as unknown as DeltaSinkOptions
  const columns = known.get(inputs.rows ?? '') ?? asked.columns ?? null
  const { partitionBy = [], notNull = [], check = {} } = asked
  const problems = [...partitionByProblems(partitionBy, columns), ...ruleProblems({ notNull, check }, columns)]
  if (asked.retention !== undefined && parseRetention(asked.retention) === null)
    problems.push(`retention must be ${retentionForm}, not ${JSON.stringify(asked.retention)}`)
  // of a table that is there already, nobody says here what it is partitioned by
  if (asked.mode === 'overwrite' && asked.replaceWhere !== undefined && asked.partitionBy !== undefined)
    problems.push(...replaceWhereProblems(asked.replaceWhere, partitionBy, columns))
  if (asked.mode === 'merge') {
    const target = table ?? columns
    // rows are merged as the table has them, whatever type they come in
    const stored = (column: Column) => target?.find(({ name }) => name === column.name) ?? column
    problems.push(...clauseProblems(asked, { key: asked.key, source: columns?.map(stored) ?? null, target }))
  }
  return problems.map((problem) => `sink ${writes}: ${problem}`)
}
