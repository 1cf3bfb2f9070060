/** Replacing the rows of a table, or those of some partitions, by the rows of a batch: removed and added in one entry. */
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import { identifier, literal } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import { type AppendOptions, prepareAppend } from './append.ts'
import type { Constraint } from './constraints/constraints.ts'
import { canonicalText, canonicalTypes } from './partitions/partition-values.ts'
import type { Snapshot } from './table.ts'
import { removalOf, type SchemaChange, type TableWrite } from './table-write.ts'

/** Partitions by value of partition columns; null for those without one. */
export type ReplaceWhere = Readonly<Record<string, string | number | boolean | null>>

export interface OverwriteOptions extends Omit<AppendOptions, 'within'> {
  /** Partitions that are replaced. Rows of others fail the batch. Default: the whole table. */
  readonly replaceWhere?: ReplaceWhere
}

/** A value that a partition column must have, in the words of the log. */
interface Wanted {
  readonly column: Column
  readonly text: string | null
}

/**
 * Returns what to commit on top of a snapshot, for as many tries as it takes: files are published once, what they replace is
 * looked up anew. It depends on every row that it replaces, so that another writer's data there is a conflict. A batch without
 * rows empties what it replaces. Readers of the change feed see deletes and inserts. `CONFIG_INVALID` if `replaceWhere` names
 * what is no partition.
 */
export function prepareOverwrite(options: OverwriteOptions): (snapshot: Snapshot | null) => Promise<TableWrite> {
  const { target, replaceWhere = {} } = options
  const wantedOf = (schema: SchemaChange) => wantedPartitions(target.table.path, replaceWhere, schema)
  let wanted: readonly Wanted[] = []
  const append = prepareAppend({
    ...options,
    within(schema) {
      wanted = wantedOf(schema)
      return wanted.length === 0 ? [] : [within(wanted)]
    },
  })
  return async (snapshot) => {
    const { actions, operationMetrics, ...write } = await append(snapshot)
    const inReach = (file: AddFile) => wanted.every((each) => mayHold(file, each))
    const live = snapshot === null ? [] : [...(await snapshot.files()).values()]
    const replaced = live.filter(inReach)
    const removes = replaced.map((add) => ({ remove: removalOf(add, target.clock.nowMs()) }))
    return {
      ...write,
      actions: [...removes, ...actions],
      reads: { kind: 'files', files: new Set(replaced.map(({ path }) => path)), mayMatch: inReach },
      operationParameters: { mode: 'Overwrite', ...(wanted.length === 0 ? {} : { predicate: said(wanted) }) },
      operationMetrics: { ...operationMetrics, numRemovedFiles: String(replaced.length) },
      written: { ...write.written, filesReplaced: replaced.length },
    }
  }
}

/** What is wrong with the partitions to be replaced; see {@link prepareOverwrite}. Pure. */
export function replaceWhereProblems(
  replaceWhere: ReplaceWhere,
  partitionColumns: readonly string[],
  columns: readonly Column[] | null,
): string[] {
  return Object.entries(replaceWhere).flatMap(([name, value]) => {
    if (!partitionColumns.includes(name))
      return [`replaceWhere: ${name} is no partition column (they are ${partitionColumns.join(', ') || 'none'})`]
    const type = columns?.find((column) => column.name === name)?.type
    if (type === undefined) return []
    if (!canonicalTypes.has(type)) return [`replaceWhere: ${name} is of a type that is not looked for by value`]
    const fits = value === null || canonicalText(String(value), type) !== null
    return fits ? [] : [`replaceWhere: ${JSON.stringify(value)} is no value of ${name}`]
  })
}

function wantedPartitions(
  path: string,
  replaceWhere: ReplaceWhere,
  { columns, partitionColumns }: SchemaChange,
): readonly Wanted[] {
  const problems = replaceWhereProblems(replaceWhere, partitionColumns, columns)
  if (problems.length > 0)
    throw new MillraceError('CONFIG_INVALID', `table ${path}: ${problems.join('; ')}`, {
      problems: problems.map((problem) => `table ${path}: ${problem}`),
    })
  return Object.entries(replaceWhere).map(([name, value]) => {
    const column = columns.find((each) => each.name === name)!
    // an empty text is null in a partition column
    return { column, text: value === null || value === '' ? null : canonicalText(String(value), column.type) }
  })
}

/** The rule that every row of the batch lies in what is replaced. */
function within(wanted: readonly Wanted[]): Constraint {
  const same = wanted.map(
    ({ column, text }) =>
      `${identifier(column.name)} IS NOT DISTINCT FROM CAST(${literal(text)} AS ${duckdbType(column.type)})`,
  )
  return {
    name: `replaceWhere (${said(wanted)})`,
    sql: `(${same.join(' AND ')})`,
    columns: wanted.map(({ column }) => column.name),
  }
}

function said(wanted: readonly Wanted[]): string {
  return wanted
    .map(({ column, text }) => (text === null ? `${column.name} IS NULL` : `${column.name} = ${literal(text)}`))
    .join(' AND ')
}

function mayHold({ partitionValues }: AddFile, { column, text }: Wanted): boolean {
  const value = partitionValues[column.name] ?? null
  return value === null ? text === null : canonicalText(value, column.type) === text
}
