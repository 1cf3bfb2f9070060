/** Ways to break what is said of a table: protocol, schema, properties, transactions and row ids. */
import { printJson } from '../int64-json.ts'
import { add, type Mutation, metaDataOf, mutation } from './mutation.testing.ts'
import type { Change, RawLog } from './raw-log.testing.ts'

const schemaOf = (fields: readonly object[]): string => printJson({ type: 'struct', fields })
const field = (name: string, type: unknown, metadata: object = {}) => ({ name, type, nullable: true, metadata })
const configure = (log: RawLog, version: number, configuration: object): void =>
  log.edit(version, 'metaData', (fields) => {
    fields.configuration = { ...(fields.configuration as object), ...configuration }
  })
const addField = (log: RawLog, ...fields: readonly object[]): void =>
  log.editJson(0, 'metaData', 'schemaString', (schema) => (schema.fields as object[]).push(...fields))

/** Each breaks one rule. */
export const tableMutations: readonly Mutation[] = [
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
  }).map(([what, column]) =>
    mutation('feature-not-listed', 'partitioned', `${what} without its feature`, (log) => addField(log, column)),
  ),
  ...Object.entries({
    'a generated column': field('x', 'long', { 'delta.generationExpression': 'id + 1' }),
    'an identity column': field('x', 'long', { 'delta.identity.start': 1 }),
    'a default': field('x', 'long', { CURRENT_DEFAULT: '1' }),
  }).map(([what, column]) =>
    mutation('column-metadata-inactive', 'partitioned', `${what} without its feature`, (log) => addField(log, column)),
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
  mutation('table-id-changed', 'expiring', 'another id', (log) => log.append(2, metaDataOf(log, { id: 'another' }))),
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
    log.append(2, metaDataOf(log, { schemaString: schemaOf([field('other', 'long')]) })),
  ),
  mutation('column-type-changed', 'expiring', 'a column becomes text', (log) =>
    log.append(2, metaDataOf(log, { schemaString: schemaOf([field('id', 'string')]) })),
  ),
  mutation('partition-columns-changed', 'partitioned', 'other partition columns', (log) => {
    log.setActions(2, [metaDataOf(log, { partitionColumns: ['p'] }), add('f2', { partitionValues: { p: null } })])
  }),

  // transactions and row ids
  mutation('txn-without-last-updated', 'expiring', 'a txn that may be dropped', (log) =>
    log.edit(1, 'txn', (fields) => void delete fields.lastUpdated),
  ),
  mutation('row-id-missing', 'tracked', 'an add without row ids', (log) =>
    log.edit(2, 'add', (fields) => void delete fields.defaultRowCommitVersion),
  ),
  mutation('row-id-not-fresh', 'tracked', 'a new file has the row ids of another', (log) =>
    log.edit(2, 'add', (fields) => {
      fields.baseRowId = 9
    }),
  ),
  mutation('row-id-above-high-water-mark', 'tracked', 'more rows than the mark', (log) =>
    log.editJson(2, 'domainMetadata', 'configuration', (value) => {
      value.rowIdHighWaterMark = 18
    }),
  ),
  mutation('high-water-mark-lowered', 'tracked', 'the mark goes down', (log) => {
    log.setActions(2, [{ domainMetadata: { ...log.fields(0, 'domainMetadata') } }])
  }),
]
