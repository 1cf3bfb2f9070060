/** Ways to break a valid log in one place, and the rule that each of them breaks. */
import { encodeZ85 } from '../deletion-vectors/z85.ts'
import { printJson } from '../int64-json.ts'
import { versionName } from '../log-entry.ts'
import type { Logs } from './logs.testing.ts'
import { type Change, entryName, type RawLog } from './raw-log.testing.ts'
import type { RuleId } from './rules.ts'

export interface Mutation {
  readonly rule: RuleId
  /** What is done. */
  readonly what: string
  readonly log: keyof Logs
  readonly mutate: (log: RawLog, tools: MutationTools) => void | Promise<void>
}

export interface MutationTools {
  /** Replaces the checkpoint of a version by the rows of a query over its own, and takes the hint away. */
  rewrite(log: RawLog, version: number, query: (rows: string) => string): Promise<void>
}

type Mutate = Mutation['mutate']
const mutation = (rule: RuleId, log: keyof Logs, what: string, mutate: Mutate): Mutation => ({
  rule,
  log,
  what,
  mutate,
})

const add = (path: string, more: object = {}): Change => ({
  add: { path, partitionValues: {}, size: 1, modificationTime: 0, dataChange: true, ...more },
})
const remove = (path: string, more: object = {}): Change => ({ remove: { path, dataChange: true, ...more } })
const metaDataOf = (log: RawLog, change: (fields: Change) => void): Change => {
  const fields = { ...log.fields(0, 'metaData') }
  change(fields)
  return { metaData: fields }
}
const schemaOf = (fields: readonly object[]): string => printJson({ type: 'struct', fields })
const field = (name: string, type: unknown, metadata: object = {}) => ({ name, type, nullable: true, metadata })
const configure = (log: RawLog, version: number, configuration: object): void =>
  log.edit(version, 'metaData', (fields) => {
    fields.configuration = { ...(fields.configuration as object), ...configuration }
  })
const addField = (log: RawLog, ...fields: readonly object[]): void =>
  log.editJson(0, 'metaData', 'schemaString', (schema) => (schema.fields as object[]).push(...fields))
const rename = (log: RawLog, from: string, to: string): void => {
  log.files.set(to, log.files.get(from)!)
  log.files.delete(from)
}
const editVector = (log: RawLog, change: (vector: Change) => void): void => {
  const actions = log.actions(1)
  const marked = actions.find((action) => (action.add as Change | undefined)?.deletionVector)!.add as Change
  change(marked.deletionVector as Change)
  // whatever comes after removes the vector as it was
  for (const version of [2, 3]) log.files.delete(entryName(version))
  log.setActions(1, actions)
}
const vectorStats = (log: RawLog, stats: string | undefined): void => {
  const actions = log.actions(1)
  const marked = actions.find((action) => (action.add as Change | undefined)?.deletionVector)!.add as Change
  if (stats === undefined) delete marked.stats
  else marked.stats = stats
  log.setActions(1, actions)
}
const checkpoint2 = `${versionName(2n)}.checkpoint.parquet`
const checksum = (log: RawLog, more: object = {}): void => {
  const whole = {
    tableSizeBytes: 2,
    numFiles: 2,
    numMetadata: 1,
    numProtocol: 1,
    metadata: log.fields(0, 'metaData'),
    protocol: log.fields(0, 'protocol'),
    setTransactions: [{ appId: 'app', version: 2n ** 60n }],
  }
  log.set(`${versionName(2n)}.crc`, printJson({ ...whole, ...more }))
}
const without = (column: string) => (rows: string) => `SELECT * FROM ${rows} WHERE ${column} IS NULL`

export const mutations: readonly Mutation[] = [
  // the folder
  mutation('log-missing', 'appended', 'every file goes', (log) => log.files.clear()),
  mutation('log-gap', 'appended', 'an entry in the middle goes', (log) => void log.files.delete(entryName(1))),
  mutation('log-without-beginning', 'appended', 'the first entry goes', (log) => void log.files.delete(entryName(0))),

  // lines
  mutation('entry-empty', 'appended', 'an entry is emptied', (log) => log.setText(3, '\n')),
  mutation('line-not-json', 'appended', 'an entry is cut off', (log) => log.setText(3, log.text(3).slice(0, -9))),
  mutation('line-not-one-action', 'appended', 'two actions share a line', (log) =>
    log.append(3, { ...add('other'), ...{ txn: { appId: 'other', version: 1 } } }),
  ),
  mutation('line-not-one-action', 'appended', 'a line is a list', (log) => log.setText(3, `${log.text(3)}[]\n`)),
  mutation('key-twice', 'appended', 'an action has a field twice', (log) =>
    log.setText(3, log.text(3).replace('"dataChange":true', '"dataChange":false,"dataChange":true')),
  ),
  mutation('key-twice', 'appended', 'stats have a key twice', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.stats = '{"numRecords":2,"numRecords":1}'
    }),
  ),
  mutation('action-unknown', 'appended', 'an action of another kind', (log) => log.append(3, { addition: {} })),
  mutation('action-misplaced', 'appended', 'checkpointMetadata in an entry', (log) =>
    log.append(3, { checkpointMetadata: { version: 3 } }),
  ),
  mutation('field-unknown', 'appended', 'a field in the wrong case', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.datachange = true
    }),
  ),
  ...['path', 'partitionValues', 'size', 'modificationTime', 'dataChange'].map((name) =>
    mutation('field-missing', 'appended', `an add without ${name}`, (log) =>
      log.edit(3, 'add', (fields) => void delete fields[name]),
    ),
  ),
  mutation('field-missing', 'merged', 'a remove without dataChange', (log) =>
    log.edit(3, 'remove', (fields) => void delete fields.dataChange),
  ),
  mutation('field-missing', 'tracked', 'a domainMetadata without removed', (log) =>
    log.edit(2, 'domainMetadata', (fields) => void delete fields.removed),
  ),
  mutation('field-malformed', 'appended', 'a size below zero', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.size = -1
    }),
  ),
  mutation('field-malformed', 'appended', 'a txn version above 2^63', (log) =>
    log.edit(3, 'txn', (fields) => {
      fields.version = 2n ** 63n
    }),
  ),
  mutation('field-malformed', 'appended', 'stats as an object', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.stats = { numRecords: 1 }
    }),
  ),

  // an entry as a whole
  ...['protocol', 'metaData'].map((kind) =>
    mutation('first-entry-incomplete', 'appended', `a first entry without ${kind}`, (log) =>
      log.setActions(
        0,
        log.actions(0).filter((action) => !(kind in action)),
      ),
    ),
  ),
  mutation('metadata-twice', 'appended', 'a second metaData', (log) =>
    log.append(
      0,
      metaDataOf(log, () => {}),
    ),
  ),
  mutation('protocol-twice', 'appended', 'a second protocol', (log) =>
    log.append(0, { protocol: log.fields(0, 'protocol') }),
  ),
  mutation('txn-twice', 'appended', 'a second txn of an appId', (log) =>
    log.append(3, { txn: { appId: 'p/s/0', version: 9, lastUpdated: 1 } }),
  ),
  mutation('domain-twice', 'tracked', 'a second domainMetadata', (log) =>
    log.append(2, { domainMetadata: log.fields(2, 'domainMetadata') }),
  ),
  mutation('add-twice', 'appended', 'a second add of a path', (log) => log.append(3, { add: log.fields(3, 'add') })),
  mutation('remove-twice', 'merged', 'a second remove of a path', (log) =>
    log.append(3, { remove: log.fields(3, 'remove') }),
  ),
  mutation('cdc-twice', 'merged', 'a second cdc of a path', (log) => log.append(3, { cdc: log.fields(3, 'cdc') })),
  mutation('add-and-remove', 'merged', 'what is removed is added again', (log) =>
    log.append(3, add(log.fields(3, 'remove').path as string)),
  ),
  mutation('add-without-remove', 'marked', 'a new deletion vector without the remove of the old', (log) =>
    log.setActions(
      3,
      log.actions(3).filter((action) => !('remove' in action)),
    ),
  ),
  mutation('remove-not-live', 'appended', 'the remove of a path that never was', (log) => {
    log.edit(3, 'commitInfo', (fields) => {
      fields.isBlindAppend = false
    })
    log.append(3, remove('never'))
  }),
  mutation('remove-not-live', 'merged', 'a file is removed a second time', (log) =>
    log.append(3, { remove: log.fields(2, 'remove') }),
  ),
  mutation('rearrangement-changes-rows', 'appended', 'rows arrive without a data change', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.dataChange = false
    }),
  ),
  mutation('append-only-remove', 'expiring', 'a file of an append-only table goes', (log) =>
    log.append(2, remove('f1')),
  ),
  mutation('blind-append-removes', 'merged', 'a merge calls itself a blind append', (log) =>
    log.edit(3, 'commitInfo', (fields) => {
      fields.isBlindAppend = true
    }),
  ),

  // files
  mutation('path-malformed', 'appended', 'a path with half an escape', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.path = 'part-100%.parquet'
    }),
  ),
  mutation('extended-metadata-missing', 'merged', 'a remove without the size that it promises', (log) =>
    log.edit(3, 'remove', (fields) => void delete fields.size),
  ),
  mutation('partition-keys', 'partitioned', 'a partition column is left out', (log) =>
    log.edit(1, 'add', (fields) => void delete (fields.partitionValues as Change).p),
  ),
  mutation('partition-keys', 'appended', 'a value of no partition column', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.partitionValues = { id: '4' }
    }),
  ),
  ...Object.entries({ day: '2024-5-6', n: '2147483648', at: 'noon' }).map(([column, value]) =>
    mutation('partition-value', 'partitioned', `${column} is ${value}`, (log) =>
      log.edit(1, 'add', (fields) => {
        ;(fields.partitionValues as Change)[column] = value
      }),
    ),
  ),
  mutation('stats-malformed', 'appended', 'stats that are cut off', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.stats = (fields.stats as string).slice(0, -1)
    }),
  ),
  mutation('stats-malformed', 'appended', 'rows below zero', (log) =>
    log.editJson(3, 'add', 'stats', (stats) => {
      stats.numRecords = -1
      delete stats.nullCount
    }),
  ),
  mutation('stats-column', 'appended', 'a column that the table lacks', (log) =>
    log.editJson(3, 'add', 'stats', (stats) => {
      ;(stats.minValues as Change).other = 1
    }),
  ),
  mutation('stats-column', 'mapped', 'a column by its logical name', (log) =>
    log.editJson(2, 'add', 'stats', (stats) => {
      stats.nullCount = { c: 0 }
    }),
  ),
  ...Object.entries({ id: 5, name: 'g', at: '2024-05-06T07:08:09.001Z' }).map(([column, value]) =>
    mutation('stats-bounds', 'appended', `a minimum of ${column} above the maximum`, (log) =>
      log.editJson(0, 'add', 'stats', (stats) => {
        ;(stats.minValues as Change)[column] = column === 'name' ? 'p' : value
      }),
    ),
  ),
  mutation('stats-null-count', 'appended', 'more nulls than rows', (log) =>
    log.editJson(3, 'add', 'stats', (stats) => {
      ;(stats.nullCount as Change).id = 2
    }),
  ),
  mutation('vector-malformed', 'marked', 'a storage type that does not exist', (log) =>
    editVector(log, (vector) => {
      vector.storageType = 'x'
    }),
  ),
  mutation('vector-malformed', 'marked', 'a path that is no UUID', (log) =>
    editVector(log, (vector) => {
      vector.pathOrInlineDv = 'short'
    }),
  ),
  mutation('vector-malformed', 'marked', 'no size', (log) =>
    editVector(log, (vector) => void delete vector.sizeInBytes),
  ),
  mutation('vector-malformed', 'marked', 'a vector in the log that is no bitmap', (log) =>
    editVector(log, (vector) => {
      vector.storageType = 'i'
      vector.pathOrInlineDv = encodeZ85(Buffer.alloc(52))
      delete vector.offset
    }),
  ),
  mutation('vector-without-row-count', 'marked', 'a file with a vector and without stats', (log) =>
    vectorStats(log, undefined),
  ),
  mutation('vector-too-large', 'marked', 'more rows deleted than there are', (log) =>
    vectorStats(log, '{"numRecords":8}'),
  ),
  mutation('vector-without-feature', 'appended', 'a vector in a table that has none', (log) =>
    log.edit(3, 'add', (fields) => {
      fields.deletionVector = {
        storageType: 'i',
        pathOrInlineDv: 'wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L',
        sizeInBytes: 40,
        cardinality: 6,
      }
      fields.stats = '{"numRecords":100}'
    }),
  ),
  mutation('cdc-data-change', 'merged', 'a change file with dataChange', (log) =>
    log.edit(3, 'cdc', (fields) => {
      fields.dataChange = true
    }),
  ),
  mutation('cdc-partition-keys', 'merged', 'a change file with a value of no partition column', (log) =>
    log.edit(3, 'cdc', (fields) => {
      fields.partitionValues = { k: '1' }
    }),
  ),
  mutation('cdc-not-enabled', 'merged', 'a change file after the feed was turned off', (log) =>
    log.append(
      3,
      metaDataOf(log, (fields) => Object.assign(fields, { configuration: {} })),
    ),
  ),

  // commitInfo
  mutation('commit-info-not-first', 'timed', 'commitInfo goes to the end', (log) =>
    log.setActions(2, log.actions(2).toReversed()),
  ),
  mutation('commit-timestamp-missing', 'timed', 'no in-commit timestamp', (log) =>
    log.edit(2, 'commitInfo', (fields) => void delete fields.inCommitTimestamp),
  ),
  mutation('commit-timestamp-not-later', 'timed', 'the in-commit timestamp of the version before', (log) =>
    log.edit(2, 'commitInfo', (fields) => {
      fields.inCommitTimestamp = 1001
    }),
  ),

  // protocol
  mutation('protocol-version', 'marked', 'a reader version that does not exist', (log) =>
    log.edit(0, 'protocol', (fields) => {
      fields.minReaderVersion = 4
    }),
  ),
  mutation('feature-lists', 'appended', 'a list where there is none yet', (log) =>
    log.edit(0, 'protocol', (fields) => {
      fields.writerFeatures = ['appendOnly']
    }),
  ),
  mutation('feature-lists', 'timed', 'version 3 without its list', (log) =>
    log.edit(0, 'protocol', (fields) => {
      fields.minReaderVersion = 3
    }),
  ),
  mutation('feature-twice', 'timed', 'a feature twice', (log) =>
    log.edit(0, 'protocol', (fields) => (fields.writerFeatures as string[]).push('inCommitTimestamp')),
  ),
  mutation('feature-unknown', 'timed', 'a feature that does not exist', (log) =>
    log.edit(0, 'protocol', (fields) => (fields.writerFeatures as string[]).push('inCommitTimestamps')),
  ),
  mutation('reader-feature', 'marked', 'a readers’ feature in their list only', (log) =>
    log.edit(0, 'protocol', (fields) => (fields.readerFeatures as string[]).push('v2Checkpoint')),
  ),
  mutation('reader-feature', 'marked', 'a readers’ feature in the list of writers only', (log) =>
    log.edit(0, 'protocol', (fields) => (fields.writerFeatures as string[]).push('v2Checkpoint')),
  ),
  mutation('reader-feature', 'marked', 'a writers’ feature in the list of readers', (log) =>
    log.edit(0, 'protocol', (fields) => (fields.readerFeatures as string[]).push('appendOnly')),
  ),
  mutation('feature-dependency', 'timed', 'row tracking without domain metadata', (log) => {
    log.edit(0, 'protocol', (fields) => (fields.writerFeatures as string[]).push('clustering'))
  }),
  ...Object.entries({
    'delta.enableDeletionVectors': 'true',
    'delta.enableChangeDataFeed': 'true',
    'delta.enableRowTracking': 'true',
    'delta.enableInCommitTimestamps': 'true',
    'delta.constraints.positive': 'id > 0',
    'delta.checkpointPolicy': 'v2',
  }).map(([name, value]) =>
    mutation('feature-not-listed', 'partitioned', `${name} without its feature`, (log) =>
      configure(log, 0, { [name]: value }),
    ),
  ),
  ...Object.entries({
    'a time without zone': field('x', 'timestamp_ntz'),
    'a time without zone in a list': field('x', { type: 'array', elementType: 'timestamp_ntz', containsNull: true }),
    'a generated column': field('x', 'long', { 'delta.generationExpression': 'id + 1' }),
    'an identity column': field('x', 'long', { 'delta.identity.start': 1 }),
    'a default': field('x', 'long', { CURRENT_DEFAULT: '1' }),
  }).map(([what, column]) =>
    mutation('feature-not-listed', 'partitioned', `${what} without its feature`, (log) => addField(log, column)),
  ),
  mutation('feature-not-listed', 'appended', 'domain metadata without its feature', (log) =>
    log.append(3, { domainMetadata: { domain: 'd', configuration: '', removed: false } }),
  ),
  mutation('protocol-lowered', 'merged', 'the protocol goes back a version', (log) => {
    log.edit(0, 'protocol', (fields) => {
      fields.minWriterVersion = 5
    })
    log.append(1, { protocol: { minReaderVersion: 1, minWriterVersion: 4 } })
  }),

  // metaData
  mutation('schema-missing', 'expiring', 'no schema', (log) =>
    log.edit(0, 'metaData', (fields) => void delete fields.schemaString),
  ),
  mutation('schema-malformed', 'expiring', 'a schema that is cut off', (log) =>
    log.edit(0, 'metaData', (fields) => {
      fields.schemaString = (fields.schemaString as string).slice(0, -1)
    }),
  ),
  mutation('schema-malformed', 'expiring', 'a type that does not exist', (log) => addField(log, field('x', 'int64'))),
  mutation('column-twice', 'expiring', 'two names that differ in case', (log) => addField(log, field('ID', 'long'))),
  mutation('column-name', 'expiring', 'a name with a space', (log) => addField(log, field('a b', 'long'))),
  mutation('partition-column', 'partitioned', 'a partition column that does not exist', (log) => {
    log.edit(0, 'metaData', (fields) => (fields.partitionColumns as string[]).push('q'))
    log.edit(1, 'add', (fields) => {
      ;(fields.partitionValues as Change).q = '1'
    })
  }),
  mutation('format-not-parquet', 'expiring', 'files of another format', (log) =>
    log.edit(0, 'metaData', (fields) => {
      fields.format = { provider: 'orc', options: {} }
    }),
  ),
  mutation('table-id-changed', 'expiring', 'another id', (log) =>
    log.append(
      2,
      metaDataOf(log, (fields) => Object.assign(fields, { id: 'another' })),
    ),
  ),
  mutation('property-malformed', 'expiring', 'an interval of no commits', (log) =>
    configure(log, 0, { 'delta.checkpointInterval': '0' }),
  ),
  mutation('property-malformed', 'expiring', 'a switch that is neither on nor off', (log) =>
    configure(log, 0, { 'delta.enableDeletionVectors': 'yes' }),
  ),
  mutation('column-mapping-mode', 'mapped', 'from names to ids', (log) =>
    configure(log, 2, { 'delta.columnMapping.mode': 'id' }),
  ),
  mutation('column-mapping-field', 'mapped', 'two columns with one id', (log) =>
    log.editJson(2, 'metaData', 'schemaString', (schema) => {
      ;(schema.fields as { metadata: Change }[])[1]!.metadata['delta.columnMapping.id'] = 1
    }),
  ),
  mutation('column-mapping-field', 'mapped', 'two columns with one physical name', (log) =>
    log.editJson(2, 'metaData', 'schemaString', (schema) => {
      const twin = { 'delta.columnMapping.id': 2, 'delta.columnMapping.physicalName': 'col-2' }
      ;(schema.fields as object[]).push(field('twin', 'long', { ...twin, 'delta.columnMapping.id': 0 }))
    }),
  ),
  mutation('column-mapping-max-id', 'mapped', 'an id above the greatest', (log) =>
    configure(log, 2, { 'delta.columnMapping.maxColumnId': '1' }),
  ),
  mutation('column-dropped', 'expiring', 'a column goes, its files stay', (log) =>
    log.append(
      2,
      metaDataOf(log, (fields) => Object.assign(fields, { schemaString: schemaOf([field('other', 'long')]) })),
    ),
  ),
  mutation('column-type-changed', 'expiring', 'a column becomes text', (log) =>
    log.append(
      2,
      metaDataOf(log, (fields) => Object.assign(fields, { schemaString: schemaOf([field('id', 'string')]) })),
    ),
  ),
  mutation('partition-columns-changed', 'partitioned', 'other partition columns', (log) => {
    const change = (fields: Change) => Object.assign(fields, { partitionColumns: ['p'] })
    log.setActions(2, [metaDataOf(log, change), add('f2', { partitionValues: { p: null } })])
  }),

  // transactions and row ids
  mutation('txn-without-last-updated', 'expiring', 'a txn that may be dropped', (log) =>
    log.edit(1, 'txn', (fields) => void delete fields.lastUpdated),
  ),
  mutation('row-id-missing', 'tracked', 'an add without row ids', (log) =>
    log.edit(2, 'add', (fields) => void delete fields.defaultRowCommitVersion),
  ),
  mutation('row-id-above-high-water-mark', 'tracked', 'more rows than the mark', (log) =>
    log.editJson(2, 'domainMetadata', 'configuration', (value) => {
      value.rowIdHighWaterMark = 18
    }),
  ),
  mutation('high-water-mark-lowered', 'tracked', 'the mark goes down', (log) => {
    log.setActions(2, [{ domainMetadata: { ...log.fields(0, 'domainMetadata') } }])
  }),

  // checkpoints
  mutation('checkpoint-unreadable', 'checkpointed', 'a checkpoint is cut off', (log) => {
    log.set(checkpoint2, log.files.get(checkpoint2)!.subarray(0, 1000))
    log.files.delete('_last_checkpoint')
  }),
  mutation('checkpoint-incomplete', 'checkpointed', 'a part of two', (log) => {
    rename(log, checkpoint2, `${versionName(2n)}.checkpoint.0000000001.0000000002.parquet`)
    log.files.delete('_last_checkpoint')
  }),
  mutation('checkpoint-without-entry', 'checkpointed', 'entries behind the checkpoint go', (log) => {
    for (const version of [2, 3]) log.files.delete(entryName(version))
  }),
  mutation('checkpoint-entry-twice', 'checkpointed', 'a file stands in it twice', (log, { rewrite }) =>
    rewrite(
      log,
      2,
      (rows) => `SELECT * FROM ${rows} UNION ALL (SELECT * FROM ${rows} WHERE "add" IS NOT NULL LIMIT 1)`,
    ),
  ),
  mutation('checkpoint-data-change', 'checkpointed', 'files in it change data', (log, { rewrite }) =>
    rewrite(
      log,
      2,
      (rows) =>
        `SELECT * REPLACE (CASE WHEN "add" IS NULL THEN NULL ELSE struct_update("add", dataChange := true) END AS "add") FROM ${rows}`,
    ),
  ),
  mutation('checkpoint-protocol', 'checkpointed', 'its protocol goes', (log, { rewrite }) =>
    rewrite(log, 2, without('protocol')),
  ),
  mutation('checkpoint-metadata', 'checkpointed', 'its metaData goes', (log, { rewrite }) =>
    rewrite(log, 2, without('metaData')),
  ),
  mutation('checkpoint-metadata', 'checkpointed', 'it is of another table', (log, { rewrite }) =>
    rewrite(
      log,
      2,
      (rows) =>
        `SELECT * REPLACE (CASE WHEN metaData IS NULL THEN NULL ELSE struct_update(metaData, id := 'other') END AS metaData) FROM ${rows}`,
    ),
  ),
  mutation('checkpoint-file-missing', 'checkpointed', 'a live file goes', (log, { rewrite }) =>
    rewrite(log, 2, (rows) => `SELECT * FROM ${rows} WHERE "add".deletionVector IS NULL`),
  ),
  mutation('checkpoint-file-extra', 'checkpointed', 'a file comes', (log, { rewrite }) =>
    rewrite(
      log,
      2,
      (rows) =>
        `SELECT * FROM ${rows} UNION ALL (SELECT * REPLACE (struct_update("add", path := 'other') AS "add") FROM ${rows} WHERE "add" IS NOT NULL LIMIT 1)`,
    ),
  ),
  mutation('checkpoint-file-different', 'checkpointed', 'files have another size', (log, { rewrite }) =>
    rewrite(
      log,
      2,
      (rows) =>
        `SELECT * REPLACE (CASE WHEN "add" IS NULL THEN NULL ELSE struct_update("add", size := 1::BIGINT) END AS "add") FROM ${rows}`,
    ),
  ),
  mutation('checkpoint-tombstone-missing', 'checkpointed', 'its tombstones go', (log, { rewrite }) =>
    rewrite(log, 2, without('remove')),
  ),
  mutation('checkpoint-tombstone-extra', 'checkpointed', 'a tombstone comes', (log, { rewrite }) =>
    rewrite(
      log,
      2,
      (rows) =>
        `SELECT * FROM ${rows} UNION ALL (SELECT * REPLACE (struct_update(remove, path := 'other') AS remove) FROM ${rows} WHERE remove IS NOT NULL LIMIT 1)`,
    ),
  ),
  mutation('checkpoint-txn', 'checkpointed', 'its transaction goes', (log, { rewrite }) =>
    rewrite(log, 2, without('txn')),
  ),
  mutation('checkpoint-txn', 'checkpointed', 'its transaction is that of the version before', (log, { rewrite }) =>
    rewrite(
      log,
      2,
      (rows) =>
        `SELECT * REPLACE (CASE WHEN txn IS NULL THEN NULL ELSE struct_update(txn, version := 2::BIGINT) END AS txn) FROM ${rows}`,
    ),
  ),
  mutation('checkpoint-domain', 'tracked', 'a checkpoint without its domain', (log) => {
    const files = [1, 2].map((version) => ({ add: { ...log.fields(version, 'add'), dataChange: false } }))
    const protocol = { ...log.fields(0, 'protocol'), minReaderVersion: 3, readerFeatures: ['v2Checkpoint'] }
    ;(protocol as Change).writerFeatures = ['rowTracking', 'domainMetadata', 'v2Checkpoint']
    log.edit(0, 'protocol', (fields) => void Object.assign(fields, protocol))
    const actions = [{ checkpointMetadata: { version: 2 } }, { protocol }, { metaData: log.fields(0, 'metaData') }]
    log.set(`${versionName(2n)}.checkpoint.a-b.json`, [...actions, ...files].map((each) => printJson(each)).join('\n'))
  }),
  mutation('checkpoint-v2', 'checkpointed', 'a classic checkpoint under a name of the V2 spec', (log) =>
    rename(log, checkpoint2, `${versionName(2n)}.checkpoint.a-b.parquet`),
  ),
  mutation('hint-unreadable', 'checkpointed', 'the hint is empty', (log) => log.set('_last_checkpoint', '')),
  mutation('hint-dangling', 'checkpointed', 'the hint names another version', (log) =>
    log.set('_last_checkpoint', '{"version":1}'),
  ),
  ...['size', 'sizeInBytes', 'numOfAddFiles'].map((name) =>
    mutation('hint-mismatch', 'checkpointed', `the hint has another ${name}`, (log) => {
      const hint = JSON.parse(Buffer.from(log.files.get('_last_checkpoint')!).toString('utf8')) as Change
      log.set('_last_checkpoint', printJson({ ...hint, [name]: 999 }))
    }),
  ),

  // beside the entries
  mutation('checksum-unreadable', 'expiring', 'a checksum is cut off', (log) =>
    log.set(`${versionName(2n)}.crc`, '{"numFiles":2'),
  ),
  mutation('checksum-incomplete', 'expiring', 'a checksum without protocol', (log) =>
    checksum(log, { protocol: null }),
  ),
  ...Object.entries({
    tableSizeBytes: 3,
    numFiles: 1,
    numMetadata: 2,
    setTransactions: [{ appId: 'app', version: 2n ** 60n + 1n }],
    protocol: { minReaderVersion: 1, minWriterVersion: 3 },
    metadata: { id: 'other' },
  }).map(([name, value]) =>
    mutation('checksum-mismatch', 'expiring', `a checksum with another ${name}`, (log) =>
      checksum(log, { [name]: value }),
    ),
  ),
  mutation('checksum-without-entry', 'expiring', 'the entry of a checksum goes', (log) => {
    checksum(log)
    log.files.delete(entryName(2))
  }),
  mutation('compaction-range', 'expiring', 'a compacted file that ends behind the newest entry', (log) =>
    log.set(`${versionName(1n)}.${versionName(3n)}.compacted.json`, log.files.get(entryName(1))!),
  ),
  mutation('action-misplaced', 'timed', 'commitInfo in a compacted file', (log) =>
    log.set(`${versionName(1n)}.${versionName(2n)}.compacted.json`, log.files.get(entryName(1))!),
  ),
]
