/** Questions to the OLAP store in ClickHouse. */
import { MillraceError } from '../../engine/errors.ts'
import { checkParameters } from '../olap/parameters.ts'
import { noTable, type OlapQueries, type OlapRow } from '../olap/store.ts'
import type { Clickhouse } from './client.ts'
import { clickhouseError } from './failures.ts'
import { readValue } from './result-values.ts'

/** The service itself refuses what would write, settings too. */
export function clickhouseQueries(clickhouse: Clickhouse): OlapQueries {
  return {
    async ask(sql, parameters = {}, signal) {
      checkParameters(sql, parameters)
      const { columns, rows } = await clickhouse.ask(sql, parameters, signal).catch(told)
      return rows.map((row): OlapRow => {
        return Object.fromEntries(columns.map(({ name, type }) => [name, readValue(row[name], type)]))
      })
    },
  }
}

function told(error: unknown): never {
  if (error instanceof MillraceError && error.context.code === clickhouseError.unknownTable) {
    const name = /Unknown table expression identifier '([^']+)'/.exec(error.message)?.[1]
    throw noTable(name ?? 'of that name', error)
  }
  throw error
}
