/** Actions out of untyped values: JSON of a log entry, rows of a log checkpoint. */
import type {
  Action,
  AddCdcFile,
  AddFile,
  CommitInfo,
  DeletionVector,
  MetaData,
  Protocol,
  RemoveFile,
  Txn,
} from './actions.ts'
import { int64 } from './int64-json.ts'

type Fields = Readonly<Record<string, unknown>>

/** What is wrong with an action; the caller knows where it stood. */
export class MalformedAction extends Error {}

/**
 * The action in an object with one key, or null if it is of a kind that we do not know (readers must ignore those).
 * Unknown fields are dropped, null fields count as absent, an empty partition value as null. {@link MalformedAction}
 * if a known action lacks a field that it must have.
 */
export function parseAction(value: unknown): Action | null {
  if (!isFields(value)) throw new MalformedAction('it is not an object')
  for (const kind of Object.keys(value)) {
    const parse = parsers[kind]
    const fields = value[kind]
    if (parse === undefined || fields === null) continue
    if (!isFields(fields)) throw new MalformedAction(`${kind} is not an object`)
    return parse(fields)
  }
  return null
}

const parsers: Readonly<Record<string, (fields: Fields) => Action>> = Object.assign(Object.create(null), {
  add: (fields: Fields) => ({ add: parseAdd(fields) }),
  remove: (fields: Fields) => ({ remove: parseRemove(fields) }),
  cdc: (fields: Fields) => ({ cdc: parseCdc(fields) }),
  metaData: (fields: Fields) => ({ metaData: parseMetaData(fields) }),
  protocol: (fields: Fields) => ({ protocol: parseProtocol(fields) }),
  txn: (fields: Fields) => ({ txn: parseTxn(fields) }),
  commitInfo: (fields: Fields) => ({ commitInfo: parseCommitInfo(fields) }),
  domainMetadata: (fields: Fields) => ({
    domainMetadata: {
      domain: text(fields, 'domain'),
      configuration: optionalText(fields, 'configuration') ?? '',
      removed: fields.removed === true,
    },
  }),
})

function parseAdd(fields: Fields): AddFile {
  return {
    path: text(fields, 'path'),
    partitionValues: partitionValues(fields.partitionValues) ?? {},
    size: long(fields, 'size'),
    modificationTime: long(fields, 'modificationTime'),
    dataChange: flag(fields, 'dataChange'),
    ...defined({
      stats: optionalText(fields, 'stats'),
      tags: texts(fields.tags),
      deletionVector: deletionVector(fields.deletionVector),
    }),
  }
}

function parseRemove(fields: Fields): RemoveFile {
  return {
    path: text(fields, 'path'),
    // the protocol's default, for logs older than the field
    dataChange: typeof fields.dataChange === 'boolean' ? fields.dataChange : true,
    ...defined({
      deletionTimestamp: optionalLong(fields, 'deletionTimestamp'),
      extendedFileMetadata: typeof fields.extendedFileMetadata === 'boolean' ? fields.extendedFileMetadata : undefined,
      partitionValues: partitionValues(fields.partitionValues),
      size: optionalLong(fields, 'size'),
      deletionVector: deletionVector(fields.deletionVector),
    }),
  }
}

function parseCdc(fields: Fields): AddCdcFile {
  return {
    path: text(fields, 'path'),
    partitionValues: partitionValues(fields.partitionValues) ?? {},
    size: long(fields, 'size'),
    dataChange: false,
  }
}

/** Schema of a table that was given none yet. */
const noColumns = '{"type":"struct","fields":[]}'

function parseMetaData(fields: Fields): MetaData {
  const format = isFields(fields.format) ? fields.format : {}
  return {
    id: text(fields, 'id'),
    format: { provider: optionalText(format, 'provider') ?? 'parquet', options: texts(format.options) ?? {} },
    schemaString: optionalText(fields, 'schemaString') ?? noColumns,
    partitionColumns: textList(fields.partitionColumns) ?? [],
    configuration: texts(fields.configuration) ?? {},
    ...defined({
      name: optionalText(fields, 'name'),
      description: optionalText(fields, 'description'),
      createdTime: optionalLong(fields, 'createdTime'),
    }),
  }
}

function parseProtocol(fields: Fields): Protocol {
  return {
    minReaderVersion: Number(long(fields, 'minReaderVersion')),
    minWriterVersion: Number(long(fields, 'minWriterVersion')),
    ...defined({ readerFeatures: textList(fields.readerFeatures), writerFeatures: textList(fields.writerFeatures) }),
  }
}

function parseTxn(fields: Fields): Txn {
  return {
    appId: text(fields, 'appId'),
    version: long(fields, 'version'),
    ...defined({ lastUpdated: optionalLong(fields, 'lastUpdated') }),
  }
}

/** Free-form by the protocol: what does not look as expected is left out, never an error. */
function parseCommitInfo(fields: Fields): CommitInfo {
  return defined({
    timestamp: int64(fields.timestamp) ?? undefined,
    operation: optionalText(fields, 'operation'),
    operationParameters: isFields(fields.operationParameters) ? fields.operationParameters : undefined,
    readVersion: int64(fields.readVersion) ?? undefined,
    isBlindAppend: typeof fields.isBlindAppend === 'boolean' ? fields.isBlindAppend : undefined,
    operationMetrics: metrics(fields.operationMetrics),
    engineInfo: optionalText(fields, 'engineInfo'),
    txnId: optionalText(fields, 'txnId'),
    millrace: millrace(fields.millrace),
  })
}

function millrace(value: unknown): CommitInfo['millrace'] {
  if (!isFields(value) || typeof value.pipeline !== 'string' || typeof value.fingerprint !== 'string') return undefined
  if (!isFields(value.ranges)) return undefined
  const ranges = Object.entries(value.ranges).filter((entry): entry is [string, [string, string]] => isRange(entry[1]))
  return { pipeline: value.pipeline, fingerprint: value.fingerprint, ranges: Object.fromEntries(ranges) }
}

function isRange(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((end) => typeof end === 'string')
}

function metrics(value: unknown): Record<string, string> | undefined {
  if (!isFields(value)) return undefined
  return Object.fromEntries(Object.entries(value).map(([name, metric]) => [name, String(metric)]))
}

function deletionVector(value: unknown): DeletionVector | undefined {
  if (!isFields(value)) return undefined
  return {
    storageType: text(value, 'storageType'),
    pathOrInlineDv: text(value, 'pathOrInlineDv'),
    sizeInBytes: Number(long(value, 'sizeInBytes')),
    cardinality: long(value, 'cardinality'),
    ...(int64(value.offset) === null ? {} : { offset: Number(value.offset) }),
  }
}

// ---------------------------------------------------------------------------------------------- fields

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object without its undefined fields. */
function defined<T extends Fields>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

function text(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value === 'string') return value
  throw new MalformedAction(`${name} is not a text`)
}

function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  return typeof value === 'string' ? value : undefined
}

function long(fields: Fields, name: string): bigint {
  const value = int64(fields[name])
  if (value !== null) return value
  throw new MalformedAction(`${name} is not an integer`)
}

function optionalLong(fields: Fields, name: string): bigint | undefined {
  return fields[name] === undefined || fields[name] === null ? undefined : long(fields, name)
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name]
  if (typeof value === 'boolean') return value
  throw new MalformedAction(`${name} is not a boolean`)
}

function textList(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw new MalformedAction('a list of texts holds something else')
}

/** Maps are objects in JSON and lists of entries in DuckDB's rows. */
function entriesOf(value: unknown): [string, unknown][] | undefined {
  if (Array.isArray(value)) return value.map((entry: { key: string; value: unknown }) => [entry.key, entry.value])
  return isFields(value) ? Object.entries(value) : undefined
}

function texts(value: unknown): Record<string, string> | undefined {
  const entries = entriesOf(value)
  if (entries === undefined) return undefined
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** Partition values of an object or a list of entries; an empty text means null. */
export function partitionValues(value: unknown): Record<string, string | null> | undefined {
  return entriesOf(value) && Object.fromEntries(entriesOf(value)!.map(([name, text]) => [name, partitionValue(text)]))
}

/** An empty text means null (PROTOCOL.md, "Partition Value Serialization"). */
function partitionValue(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
