/** Settings from environment and file, as one frozen object. The only reader of `process.env`. */
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseRetention, retentionForm } from '../connectors/delta/retention.ts'
import type { LogRetention } from '../connectors/file-log/retention.ts'
import { messageOf } from '../engine/errors.ts'
import { type ArmedFault, type FaultPoint, faultPoints } from '../engine/fault-points.ts'
import { defaultMemoryLimitBytes, leastMemoryLimitBytes } from '../engine/memory.ts'
import { usageError } from './args.ts'
import { chatSettings, readChat } from './chat-config.ts'
import { clickhouseSettings, readClickhouse } from './clickhouse-config.ts'
import { embedderSettings, readEmbedder } from './embedder-config.ts'
import { kafkaSettings, readKafka } from './kafka-config.ts'
import { type LakeSettings, lakeSettings, readLake } from './lake-config.ts'
import { logSettings, readLogRetention } from './log-config.ts'
import { neo4jSettings, readNeo4j } from './neo4j-config.ts'
import { pineconeSettings, readPinecone } from './pinecone-config.ts'
import { serveSettings } from './serve-config.ts'
import type { ServiceSettings } from './services.ts'
import { readDuration, type Setting, whole } from './setting.ts'

/** Settings, each from the first that has it: command line, environment, file, default. Frozen. */
export interface Config extends ServiceSettings {
  readonly dataDir: string
  /** Worker threads for parsing and embedding; 0 works on the main thread. */
  readonly workers: number
  /** Partitions of topics that the simulator creates. */
  readonly partitions: number
  /** What the process may take of memory: see {@link shareMemory}. */
  readonly memoryLimitBytes: number
  /** How long a batch is retried that fails for a reason that may pass; null: as the kind of run has it. */
  readonly retryForMs: number | null
  /** What is kept of the embedded log; null: all of it. */
  readonly logRetention: LogRetention | null
  /** How long tables that are made keep their past, in milliseconds; null: as long as suits how they are written. */
  readonly retentionMs: number | null
  /** Where the tables are; null: in the data directory. */
  readonly lake: LakeSettings | null
  /** Whether tables may name files of this machine outside of the lake. */
  readonly absolutePaths: 'allow' | 'refuse'
  /** What `serve` wants to see of those who ask; a secret. Null: nothing, and it serves this machine only. */
  readonly serveToken: string | null
  /** For crash tests: `MILLRACE_FAULT=<point>:<passage>:<kill|throw|crash>`. */
  readonly fault: ArmedFault | null
}

const settings = {
  dataDir: {
    key: 'data',
    variable: 'MILLRACE_DATA',
    fallback: './data',
    read: (text: string) => (text === '' ? { problem: 'must not be empty' } : text),
  },
  workers: {
    key: 'workers',
    variable: 'MILLRACE_WORKERS',
    fallback: Math.min(4, availableParallelism()),
    read: whole(0, 64),
  },
  partitions: { key: 'partitions', variable: 'MILLRACE_PARTITIONS', fallback: 4, read: whole(1, 1024) },
  memoryLimitBytes: {
    key: 'memoryLimitMiB',
    variable: 'MILLRACE_MEMORY_LIMIT_MIB',
    fallback: defaultMemoryLimitBytes,
    read: (text: string) => {
      const value = whole(leastMemoryLimitBytes / 2 ** 20, 1024 * 1024)(text)
      return typeof value === 'number' ? value * 2 ** 20 : value
    },
  },
  retryForMs: { key: 'retryFor', variable: 'MILLRACE_RETRY_FOR', fallback: null, read: readDuration },
  retentionMs: {
    key: 'retention',
    variable: 'MILLRACE_RETENTION',
    fallback: null,
    read: (text: string) => parseRetention(text) ?? { problem: `must be ${retentionForm}` },
  },
  absolutePaths: {
    key: 'absolutePaths',
    variable: 'MILLRACE_ABSOLUTE_PATHS',
    fallback: 'allow',
    read: (text: string) => (text === 'allow' || text === 'refuse' ? text : { problem: 'must be allow or refuse' }),
  },
  fault: { key: 'fault', variable: 'MILLRACE_FAULT', fallback: null, read: readFault },
} satisfies {
  readonly [K in Exclude<keyof Config, 'lake' | 'logRetention' | 'serveToken' | keyof ServiceSettings>]: Setting<
    Config[K]
  >
}

/** Where settings come from. */
export interface ConfigInput {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path given by `--config`; the default file is read only if it is there. */
  readonly file?: string
  /** `--data`, which wins over file and environment. */
  readonly dataDir?: string
}

/**
 * Flag over environment over file over default.
 * @throws MillraceError `CONFIG_INVALID` with one line per problem, naming the variable or key, never its neighbours' values
 */
export function readConfig(input: ConfigInput): Config {
  const problems: string[] = []
  const file = readFile(input.file, problems)
  const known = new Set<string>(
    [
      settings,
      kafkaSettings,
      lakeSettings,
      logSettings,
      clickhouseSettings,
      neo4jSettings,
      pineconeSettings,
      embedderSettings,
      chatSettings,
      serveSettings,
    ].flatMap((each) => Object.values(each).map(({ key }) => key)),
  )
  for (const key of Object.keys(file.values))
    if (!known.has(key)) problems.push(`${file.path}: ${key}: unknown setting (known: ${[...known].join(', ')})`)
  const value = <T>(setting: Setting<T>): T => pick(setting, input.env, file, problems)
  const config: Config = {
    dataDir: input.dataDir ?? value(settings.dataDir as Setting<string>),
    workers: value(settings.workers as Setting<number>),
    partitions: value(settings.partitions as Setting<number>),
    memoryLimitBytes: value(settings.memoryLimitBytes as Setting<number>),
    retryForMs: value(settings.retryForMs as Setting<number | null>),
    kafka: readKafka((setting) => value(setting), problems),
    retentionMs: value(settings.retentionMs as Setting<number | null>),
    logRetention: readLogRetention((setting) => value(setting)),
    lake: readLake((setting) => value(setting), problems),
    clickhouse: readClickhouse((setting) => value(setting)),
    pinecone: readPinecone((setting) => value(setting)),
    embedder: readEmbedder((setting) => value(setting), problems),
    chat: readChat((setting) => value(setting), problems),
    neo4j: readNeo4j((setting) => value(setting), problems),
    absolutePaths: value(settings.absolutePaths as Setting<'allow' | 'refuse'>),
    serveToken: value(serveSettings.token as Setting<string | null>),
    fault: value(settings.fault as Setting<ArmedFault | null>),
  }
  if (problems.length > 0) throw usageError(problems)
  return Object.freeze(config)
}

interface ConfigFile {
  readonly path: string
  readonly values: Readonly<Record<string, unknown>>
}

function pick<T>(setting: Setting<T>, env: ConfigInput['env'], file: ConfigFile, problems: string[]): T {
  const fromEnv = env[setting.variable]
  const fromFile = file.values[setting.key]
  const [text, where] =
    fromEnv !== undefined
      ? [fromEnv, setting.variable]
      : fromFile !== undefined
        ? [String(fromFile), `${file.path}: ${setting.key}`]
        : [undefined, '']
  if (text === undefined) return setting.fallback
  const value = setting.read(text)
  if (typeof value === 'object' && value !== null && 'problem' in value) {
    const secret = ('secret' in value && value.secret) || holdsCredentials(text)
    problems.push(`${where}: ${value.problem}${secret ? '' : `, not ${JSON.stringify(text)}`}`)
    return setting.fallback
  }
  return value as T
}

function readFile(path: string | undefined, problems: string[]): ConfigFile {
  const chosen = path ?? 'millrace.config.json'
  if (path === undefined && !existsSync(chosen)) return { path: chosen, values: {} }
  try {
    const values: unknown = JSON.parse(readFileSync(chosen, 'utf8'))
    if (typeof values === 'object' && values !== null && !Array.isArray(values))
      return { path: chosen, values: { ...values } }
    problems.push(`${chosen}: must hold one JSON object`)
  } catch (error) {
    problems.push(`${chosen}: ${error instanceof SyntaxError ? notJson(error) : `cannot be read: ${messageOf(error)}`}`)
  }
  return { path: chosen, values: {} }
}

/** Node's message quotes the file, which may hold secrets: only the place is taken from it. */
function notJson(error: SyntaxError): string {
  const [, line, column] = /line (\d+) column (\d+)/.exec(error.message) ?? []
  const place = line === undefined ? '' : ` (line ${line}, column ${column})`
  return `is not valid JSON${place}: it must hold one JSON object, such as { "data": "./data" }`
}

/** `user:password@host` anywhere, whatever setting it was given for. */
function holdsCredentials(text: string): boolean {
  return /[^\s/]:[^\s/]*@|:\/\/[^\s/]+@/.test(text)
}

function readFault(text: string): ArmedFault | null | { readonly problem: string } {
  if (text === '') return null
  const [point, passage, action, extra] = text.split(':')
  const ok =
    extra === undefined &&
    faultPoints.includes(point as FaultPoint) &&
    Number.isSafeInteger(Number(passage)) &&
    Number(passage) > 0 &&
    (action === 'kill' || action === 'throw' || action === 'crash')
  if (!ok) return { problem: `must be <point>:<passage>:<kill|throw|crash> with a point of ${faultPoints.join(', ')}` }
  return { point: point as FaultPoint, passage: Number(passage), action: action as ArmedFault['action'] }
}
