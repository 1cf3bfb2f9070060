/** `millrace tables delete` and `millrace tables update`. */
import { type DeleteRowsOptions, deleteRows, type RowsChanged, updateRows } from '../../connectors/delta/row-changes.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { inWorkspace, stopping } from '../in-workspace.ts'
import { requireTable } from '../lake-tables.ts'
import { printRows } from '../output.ts'
import { requireDataDir } from '../reading.ts'

/** Deletes rows of a table by a condition, and prints how many rows and files that changed, or would. */
export function deleteFrom(context: CommandContext): Promise<number> {
  const problems = whereProblems(context)
  if (problems.length > 0) throw usageError(problems)
  return change(context, deleteRows)
}

/** Gives columns of such rows other values, and prints the same. */
export function updateIn(context: CommandContext): Promise<number> {
  const set: Record<string, string> = {}
  const problems = whereProblems(context)
  const asked = (context.options.set ?? []) as readonly string[]
  if (asked.length === 0) problems.push('--set: is needed (--set "<column> = <value>")')
  for (const text of asked) {
    const found = /^\s*(?:`([^`]+)`|(\w+))\s*=(?![=>])(.*)$/s.exec(text)
    const name = found?.[1] ?? found?.[2]
    if (name === undefined) problems.push(`--set: must be "<column> = <value>", not ${JSON.stringify(text)}`)
    else if (Object.hasOwn(set, name)) problems.push(`--set: ${name} stands twice (give it once)`)
    else set[name] = found![3]!.trim()
  }
  if (problems.length > 0) throw usageError(problems)
  return change(context, (options) => updateRows({ ...options, set }))
}

/** A whole table is not changed by leaving a word out. */
function whereProblems({ options }: CommandContext): string[] {
  return options.where === undefined ? ['--where: is needed (--where true for every row)'] : []
}

async function change(
  { config, arguments: [name = ''], options, json }: CommandContext,
  work: (options: DeleteRowsOptions) => Promise<RowsChanged>,
): Promise<number> {
  requireDataDir(config)
  return inWorkspace(
    config,
    async (workspace, stop) => {
      const { table } = await requireTable(workspace, name)
      const { lake, clock, ids, duckdb, scratchDir } = workspace
      const dryRun = options['dry-run'] === true
      const changed = await work({
        target: { table, store: lake, clock, ids },
        duckdb,
        stagingDir: scratchDir,
        where: String(options.where),
        dryRun,
        signal: stop.stop,
      })
      await table.settled()
      printRows([{ table: table.path, dryRun, ...changed }], { json, empty: '' })
      return 0
    },
    stopping,
  )
}
