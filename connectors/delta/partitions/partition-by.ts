/** Which columns a table can be partitioned by. */
import { MillraceError } from '../../../engine/errors.ts'
import { type Column, formatType } from '../../../engine/schema.ts'

/**
 * `CONFIG_INVALID`, whose `problems` list every fault at once, unless a new table can be partitioned so: by columns that it
 * has, each named once and of a type that partition values have a text for, and with a column left for its files.
 * @param columns the table's, or null while nobody knows them
 */
export function assertPartitionBy(
  table: string,
  partitionBy: readonly string[],
  columns: readonly Column[] | null,
): void {
  const problems = partitionByProblems(partitionBy, columns)
  if (problems.length === 0) return
  throw new MillraceError('CONFIG_INVALID', `table ${table} cannot be partitioned so: ${problems.join('; ')}`, {
    problems: problems.map((problem) => `table ${table}: ${problem}`),
  })
}

/** What is wrong with it, a line each: see {@link assertPartitionBy}. Pure. */
export function partitionByProblems(partitionBy: readonly string[], columns: readonly Column[] | null): string[] {
  return faults(partitionBy, columns).map((fault) => `partitionBy: ${fault}`)
}

function faults(partitionBy: readonly string[], columns: readonly Column[] | null): string[] {
  const twice = partitionBy.filter((name, i) => partitionBy.indexOf(name) < i)
  const problems = twice.map((name) => `${name} is named twice (name it once)`)
  if (columns === null || partitionBy.length === 0) return problems
  const names = columns.map(({ name }) => name).join(', ')
  for (const wanted of new Set(partitionBy)) {
    const type = columns.find(({ name }) => name === wanted)?.type
    if (type === undefined) problems.push(`there is no column ${wanted} (the columns are ${names})`)
    else if (typeof type === 'object' && type.kind !== 'decimal')
      problems.push(`${wanted} is ${formatType(type)} (choose a column that holds single values)`)
  }
  if (columns.every(({ name }) => partitionBy.includes(name)))
    problems.push('no column is left for the files to hold (leave one out)')
  return problems
}
