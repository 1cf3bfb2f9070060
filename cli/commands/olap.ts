/** `millrace olap`: questions to the tables for analysis. They only read. */
import type { OlapParameters } from '../../connectors/olap/store.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { printRows } from '../output.ts'
import { asking } from '../reading.ts'
import { fallbacks, parameterProblems, type ReadyQuery, readyQueries } from '../ready-queries.ts'
import { openOlap } from '../stores.ts'

/** Lists the ready queries, or prints the rows of one of them or of SQL. */
export async function olap(context: CommandContext): Promise<number> {
  const {
    config,
    arguments: [asked],
    options,
    json,
  } = context
  const ready = readyQueries()
  if (asked === undefined) return list(ready, json)
  const query = ready.find(({ name }) => name === asked)
  if (query === undefined && !/\s/.test(asked.trim()))
    throw usageError([`olap: there is no ready query ${asked} (there are ${ready.map(({ name }) => name).join(', ')})`])
  if (options.show === true) {
    if (query === undefined) throw usageError(['olap: --show takes the name of a ready query'])
    console.log(query.sql.trimEnd())
    return 0
  }
  const chosen = given(options.param)
  const problems = query === undefined ? [] : parameterProblems(query, chosen)
  if (problems.length > 0) throw usageError(problems.map((problem) => `--param ${problem}`))
  const parameters = { ...(query === undefined ? {} : fallbacks(query)), ...chosen }
  return asking(config, ['clickhouse'], async (place) => {
    const rows = await (await openOlap(place)).ask(query?.sql ?? asked, parameters)
    printRows(rows, { json, empty: 'no rows' })
    return 0
  })
}

function list(ready: readonly ReadyQuery[], json: boolean): number {
  if (json)
    printRows(
      ready.map(({ sql: _, ...rest }) => rest),
      { json, empty: '' },
    )
  else for (const query of ready) console.log(describe(query))
  return 0
}

function describe({ name, answers, parameters }: ReadyQuery): string {
  const lines = parameters.map((each) => `    --param ${each.name}=${each.fallback}  ${each.help}`)
  return [name, `    ${answers}`, ...lines].join('\n')
}

function given(option: unknown): OlapParameters {
  const texts = (option ?? []) as readonly string[]
  const problems = texts.flatMap((text) =>
    /^\w+=/.test(text) ? [] : [`--param: must be <name>=<value>, not ${JSON.stringify(text)}`],
  )
  if (problems.length > 0) throw usageError(problems)
  return Object.fromEntries(texts.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]))
}
