/** Questions to the embedded OLAP store. */
import type { DuckdbStore } from '../../engine/duckdb-store.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { checkParameters, placeholders } from '../olap/parameters.ts'
import { noTable, type OlapQueries } from '../olap/store.ts'
import { requireReadOnlySql } from './read-only-sql.ts'
import { requireStore } from './store.ts'

/** ClickHouse's names of types that parameters may have. */
const duckdbTypes: Readonly<Record<string, string>> = {
  Int8: 'TINYINT',
  Int16: 'SMALLINT',
  Int32: 'INTEGER',
  Int64: 'BIGINT',
  UInt8: 'UTINYINT',
  UInt16: 'USMALLINT',
  UInt32: 'UINTEGER',
  UInt64: 'UBIGINT',
  Float32: 'FLOAT',
  Float64: 'DOUBLE',
  String: 'VARCHAR',
  Bool: 'BOOLEAN',
  Date: 'DATE',
  Date32: 'DATE',
  DateTime: 'TIMESTAMP',
}

/** Questions run in transactions that cannot write, beside each other and beside a writer. */
export function duckdbQueries(store: DuckdbStore): OlapQueries {
  return {
    async ask(sql, parameters = {}, signal) {
      checkParameters(sql, parameters)
      const text = withDollars(sql)
      requireStore(store)
      return store.use(
        'read',
        async (connection) => {
          await requireReadOnlySql(connection, text)
          try {
            return await connection.select(text, parameters)
          } catch (error) {
            const missing = /Table with name (\S+) does not exist/.exec(messageOf(error))?.[1]
            if (missing !== undefined) throw noTable(missing, error)
            throw new MillraceError('SINK_FAILED', `olap store: ${messageOf(error)}`, { cause: error })
          }
        },
        signal,
      )
    },
  }
}

/** `{name:Type}` as DuckDB writes it. */
function withDollars(sql: string): string {
  let [text, at] = ['', 0]
  for (const { name, type, start, end } of placeholders(sql)) {
    const duckdbType = duckdbTypes[type]
    if (duckdbType === undefined)
      throw new MillraceError(
        'CONFIG_INVALID',
        `parameter ${name}: the embedded store knows no type ${type} (use one of ${Object.keys(duckdbTypes).join(', ')})`,
      )
    text += `${sql.slice(at, start)}CAST($${name} AS ${duckdbType})`
    at = end
  }
  return text + sql.slice(at)
}
