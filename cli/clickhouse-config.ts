/** The settings that say which ClickHouse serves `olap({...})`, and how it is reached. */
import { type ClickhouseSettings, defaultRequestTimeoutMs } from '../connectors/clickhouse/settings.ts'
import { type Problem, readPem, type Setting, whole } from './setting.ts'

/** Empty counts as not given. */
export const clickhouseSettings = {
  url: { key: 'clickhouseUrl', variable: 'CLICKHOUSE_URL', fallback: null, read: readUrl },
  user: { key: 'clickhouseUser', variable: 'CLICKHOUSE_USER', fallback: 'default', read: orDefault },
  password: { key: 'clickhousePassword', variable: 'CLICKHOUSE_PASSWORD', fallback: '', read: (text: string) => text },
  database: { key: 'clickhouseDatabase', variable: 'CLICKHOUSE_DATABASE', fallback: 'default', read: orDefault },
  ca: { key: 'clickhouseCa', variable: 'CLICKHOUSE_CA', fallback: null, read: readPem },
  requestTimeoutMs: {
    key: 'clickhouseTimeoutMs',
    variable: 'CLICKHOUSE_TIMEOUT_MS',
    fallback: defaultRequestTimeoutMs,
    read: whole(100, 3_600_000),
  },
} satisfies { readonly [name: string]: Setting<unknown> }

/** Null where no address is named: the embedded store serves the tables. */
export function readClickhouse(value: <T>(setting: Setting<T>) => T): ClickhouseSettings | null {
  const s = clickhouseSettings
  const url = value(s.url as Setting<string | null>)
  if (url === null) return null
  return {
    url,
    user: value(s.user),
    password: value(s.password),
    database: value(s.database),
    ca: value(s.ca as Setting<string | null>),
    requestTimeoutMs: value(s.requestTimeoutMs as Setting<number>),
  }
}

function readUrl(text: string): string | null | Problem {
  if (text === '') return null
  const url = URL.canParse(text) ? new URL(text) : null
  if (text.includes('@') || url?.search)
    return {
      problem:
        'must be http:// or https://, host and port (user and password go to CLICKHOUSE_USER and CLICKHOUSE_PASSWORD)',
      secret: true,
    }
  const good = url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== ''
  return good ? text.replace(/\/+$/, '') : { problem: 'must be http:// or https://, host and port' }
}

function orDefault(text: string): string {
  return text === '' ? 'default' : text
}
