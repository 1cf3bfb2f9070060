/** Fields of actions, their types, and which ones must be there (PROTOCOL.md, "Actions"). */
import { int64 } from '../int64-json.ts'
import { isObject } from '../schema.ts'
import type { Report } from './finding.ts'
import { type Fields, fieldOf, type RawAction } from './raw-action.ts'

type FieldType = 'text' | 'long' | 'count' | 'flag' | 'texts' | 'map' | 'values' | 'object' | 'any'

interface Shape {
  readonly required: Readonly<Record<string, FieldType>>
  readonly optional: Readonly<Record<string, FieldType>>
}

const file = { tags: 'values', deletionVector: 'object', baseRowId: 'count', defaultRowCommitVersion: 'count' } as const

/** Actions of log entries (PROTOCOL.md, "Actions"). */
const entryShapes: Readonly<Record<string, Shape>> = {
  add: {
    required: { path: 'text', partitionValues: 'values', size: 'count', modificationTime: 'long', dataChange: 'flag' },
    optional: { ...file, stats: 'text', clusteringProvider: 'text' },
  },
  remove: {
    required: { path: 'text', dataChange: 'flag' },
    optional: {
      ...file,
      deletionTimestamp: 'long',
      extendedFileMetadata: 'flag',
      partitionValues: 'values',
      size: 'count',
      stats: 'text',
    },
  },
  cdc: {
    required: { path: 'text', partitionValues: 'values', size: 'count', dataChange: 'flag' },
    optional: { tags: 'values' },
  },
  metaData: {
    required: { id: 'text', format: 'object', partitionColumns: 'texts', configuration: 'map' },
    optional: { schemaString: 'text', name: 'text', description: 'text', createdTime: 'long' },
  },
  protocol: {
    required: { minReaderVersion: 'count', minWriterVersion: 'count' },
    optional: { readerFeatures: 'texts', writerFeatures: 'texts' },
  },
  txn: { required: { appId: 'text', version: 'long' }, optional: { lastUpdated: 'long' } },
  domainMetadata: { required: { domain: 'text', configuration: 'text', removed: 'flag' }, optional: {} },
}

/** Actions that only checkpoints have (PROTOCOL.md, "Sidecar File Information", "Checkpoint Metadata"). */
const checkpointShapes: Readonly<Record<string, Shape>> = {
  sidecar: { required: { path: 'text', sizeInBytes: 'count', modificationTime: 'long' }, optional: { tags: 'values' } },
  checkpointMetadata: { required: { version: 'count' }, optional: { tags: 'values' } },
}

/** Actions that only entries have. */
const entryOnly: ReadonlySet<string> = new Set(['cdc', 'commitInfo'])

/** Fields that readers may derive, and that a checkpoint may carry as structs (PROTOCOL.md, "Checkpoint Schema"). */
const parsed: ReadonlySet<string> = new Set(['stats_parsed', 'partitionValues_parsed'])

/**
 * Reports what is not as the protocol has it in that kind of file. `whole`: other rules may rely on the fields; `ignored`: readers
 * pass over it; `broken`: what it does is not known.
 */
export function checkShape(
  { kind, fields, at }: RawAction,
  place: 'entry' | 'checkpoint',
  report: Report,
): 'whole' | 'ignored' | 'broken' {
  const misplaced = place === 'entry' ? Object.hasOwn(checkpointShapes, kind) : entryOnly.has(kind)
  if (misplaced) report('action-misplaced', `${at}: ${kind} does not belong here`)
  if (misplaced) return 'ignored'
  if (kind === 'commitInfo') return 'whole'
  const shape = shapeOf(kind)
  if (shape !== null) return checkFields({ kind, fields, at }, shape, report) ? 'whole' : 'broken'
  report('action-unknown', `${at}: ${kind} is no action of the protocol`)
  return 'ignored'
}

function shapeOf(kind: string): Shape | null {
  if (Object.hasOwn(entryShapes, kind)) return entryShapes[kind]!
  return Object.hasOwn(checkpointShapes, kind) ? checkpointShapes[kind]! : null
}

function checkFields({ kind, fields, at }: RawAction, { required, optional }: Shape, report: Report): boolean {
  let whole = true
  for (const name of Object.keys(required))
    if (fieldOf(fields, name) === undefined) {
      report('field-missing', `${at}: ${kind} has no ${name}`)
      whole = false
    }
  for (const name of Object.keys(fields)) {
    const value = fieldOf(fields, name)
    if (value === undefined || parsed.has(name)) continue
    const type = required[name] ?? optional[name]
    if (type === undefined) report('field-unknown', `${at}: ${kind}.${name} is no field of the protocol`)
    else if (!isOfType(value, type)) {
      report('field-malformed', `${at}: ${kind}.${name} is not ${wanted[type]}`)
      whole = false
    }
  }
  return whole
}

const wanted: Readonly<Record<FieldType, string>> = {
  text: 'a text',
  long: 'a 64-bit integer',
  count: 'a 64-bit integer from 0',
  flag: 'true or false',
  texts: 'a list of texts',
  map: 'a map of texts',
  values: 'a map of texts and nulls',
  object: 'an object',
  any: 'there',
}

function isOfType(value: unknown, type: FieldType): boolean {
  switch (type) {
    case 'text':
      return typeof value === 'string'
    case 'flag':
      return typeof value === 'boolean'
    case 'long':
      return isLong(value)
    case 'count':
      return isLong(value) && int64(value)! >= 0n
    case 'texts':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
    case 'map':
      return isObject(value) && Object.values(value).every((item) => typeof item === 'string')
    case 'values':
      return isObject(value) && Object.values(value).every((item) => typeof item === 'string' || item === null)
    case 'object':
      return isObject(value)
    case 'any':
      return true
  }
}

function isLong(value: unknown): boolean {
  const integer = int64(value)
  return integer !== null && BigInt.asIntN(64, integer) === integer
}

/** Whether a text is a file's path as the log has it (PROTOCOL.md, "Add File and Remove File": a URI of RFC 2396). */
export function checkPath(fields: Fields, report: Report): void {
  const path = fieldOf(fields, 'path')
  if (typeof path !== 'string') return
  if (path === '') report('path-malformed', 'the path is empty')
  else if (!isDecodable(path)) report('path-malformed', `the path cannot be decoded: ${path}`)
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path)
    return path.isWellFormed()
  } catch {
    return false // told by the caller
  }
}
