/** The settings that say which Neo4j serves `graph({...})`, and how it is reached. */
import { existsSync } from 'node:fs'
import { defaultTimeoutMs, type Neo4jSettings } from '../connectors/neo4j/settings.ts'
import { type Problem, type Setting, whole } from './setting.ts'

/** Empty counts as not given. */
export const neo4jSettings = {
  uri: { key: 'neo4jUri', variable: 'NEO4J_URI', fallback: null, read: readUri },
  user: { key: 'neo4jUser', variable: 'NEO4J_USER', fallback: 'neo4j', read: (text: string) => text || 'neo4j' },
  password: { key: 'neo4jPassword', variable: 'NEO4J_PASSWORD', fallback: '', read: (text: string) => text },
  database: { key: 'neo4jDatabase', variable: 'NEO4J_DATABASE', fallback: null, read: (text: string) => text || null },
  caFile: { key: 'neo4jCa', variable: 'NEO4J_CA', fallback: null, read: readPath },
  timeoutMs: {
    key: 'neo4jTimeoutMs',
    variable: 'NEO4J_TIMEOUT_MS',
    fallback: defaultTimeoutMs,
    read: whole(100, 3_600_000),
  },
} satisfies { readonly [name: string]: Setting<unknown> }

/** Null where no address is named: the embedded store serves the graph. */
export function readNeo4j(value: <T>(setting: Setting<T>) => T, problems: string[]): Neo4jSettings | null {
  const s = neo4jSettings
  const uri = value(s.uri as Setting<string | null>)
  if (uri === null) return null
  const caFile = value(s.caFile as Setting<string | null>)
  if (caFile !== null && !uri.includes('+s://'))
    problems.push(
      'NEO4J_CA: an authority needs TLS that asks for one (name bolt+s:// or neo4j+s:// in NEO4J_URI, or leave NEO4J_CA out)',
    )
  return {
    uri,
    user: value(s.user),
    password: value(s.password),
    database: value(s.database as Setting<string | null>),
    caFile,
    timeoutMs: value(s.timeoutMs as Setting<number>),
  }
}

const schemes: ReadonlySet<string> = new Set(['bolt', 'neo4j'].flatMap((name) => [name, `${name}+s`, `${name}+ssc`]))

function readUri(text: string): string | null | Problem {
  if (text === '') return null
  const url = URL.canParse(text) ? new URL(text) : null
  const what = 'must be bolt:// or neo4j:// (+s or +ssc for TLS), host and port'
  if (text.includes('@'))
    return { problem: `${what} (user and password go to NEO4J_USER and NEO4J_PASSWORD)`, secret: true }
  const good = url !== null && schemes.has(url.protocol.slice(0, -1)) && url.hostname !== '' && url.search === ''
  return good ? text.replace(/\/+$/, '') : { problem: what, secret: true }
}

function readPath(text: string): string | null | Problem {
  if (text === '') return null
  return existsSync(text) ? text : { problem: 'must be a file that is there' }
}
