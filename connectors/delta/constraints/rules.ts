/** Rules that a sink asks its table to have. Pure. */
import { MillraceError } from '../../../engine/errors.ts'
import type { Column } from '../../../engine/schema.ts'
import type { MetaData } from '../actions.ts'
import { fieldsOf, parseRoot } from '../schema.ts'
import { checkProperty, untranslatable } from './constraints.ts'

/** What a new table demands of its rows. */
export interface TableRules {
  /** Top-level columns that hold no nulls. */
  readonly notNull?: readonly string[]
  /** Conditions in Spark SQL by name: true of every row. */
  readonly check?: Readonly<Record<string, string>>
}

/**
 * `CONFIG_INVALID`, whose `problems` list every fault at once, unless a new table can have these rules.
 * @param columns the table's, or null while nobody knows them
 */
export function assertRules(table: string, rules: TableRules, columns: readonly Column[] | null): void {
  const problems = ruleProblems(rules, columns)
  if (problems.length === 0) return
  throw new MillraceError(
    'CONFIG_INVALID',
    `table ${table} cannot have the rules that its sink asks for: ${problems.join('; ')}`,
    {
      problems: problems.map((problem) => `table ${table}: ${problem}`),
    },
  )
}

/** What is wrong with them, a line each: see {@link assertRules}. */
export function ruleProblems({ notNull = [], check = {} }: TableRules, columns: readonly Column[] | null): string[] {
  return [...notNullProblems(notNull, columns), ...checkProblems(check, columns)]
}

function notNullProblems(notNull: readonly string[], columns: readonly Column[] | null): string[] {
  const known = columns?.map(({ name }) => name)
  return notNull
    .filter((wanted) => known?.includes(wanted) === false)
    .map((wanted) => `notNull: there is no column ${wanted} (the columns are ${known!.join(', ')})`)
}

function checkProblems(check: Readonly<Record<string, string>>, columns: readonly Column[] | null): string[] {
  return Object.entries(check).flatMap(([name, expression]) => {
    if (!/^[a-z_]\w*$/i.test(name)) return [`check: ${JSON.stringify(name)} is no name (letters, digits and _)`]
    const reason = columns === null ? null : untranslatable(expression, columns)
    return reason === null ? [] : [`check ${name}: ${expression}: ${reason} is not supported (write it in other words)`]
  })
}

/** Those of the rules that a table lacks, for messages. */
export function missingRules(metaData: MetaData, { notNull = [], check = {} }: TableRules): string[] {
  const fields = fieldsOf(parseRoot(metaData.schemaString))
  const nullable = notNull.filter((wanted) => fields.find(({ name }) => name === wanted)?.nullable !== false)
  const others = Object.entries(check).filter(
    ([name, expression]) => metaData.configuration[checkProperty(name)] !== expression,
  )
  return [
    ...nullable.map((name) => `the not-null constraint of column ${name}`),
    ...others.map(([name, expression]) => `the check constraint ${name} (${expression})`),
  ]
}
