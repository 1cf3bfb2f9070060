/** Questions to the OLAP store in ClickHouse. */
import { MillraceError } from '../../engine/errors.ts'
import { checkParameters } from '../olap/parameters.ts'
import { noTable, type OlapQueries, type OlapRow } from '../olap/store.ts'
import type { Clickhouse } from './client.ts'
import { clickhouseError } from './failures.ts'

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

/** Whole numbers of any size as bigint, also in lists. */
function readValue(value: unknown, type: string): unknown {
  if (value === null || value === undefined) return null
  const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type)?.[1]
  if (inner !== undefined) return readValue(value, inner)
  if (/^U?Int\d+$/.test(type)) return BigInt(String(value))
  const element = /^Array\((.*)\)$/.exec(type)?.[1]
  return element !== undefined && Array.isArray(value) ? value.map((each) => readValue(each, element)) : value
}
