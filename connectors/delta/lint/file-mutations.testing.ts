/** Ways to break what is said of a file, or of a commit. */
import { encodeZ85 } from '../deletion-vectors/z85.ts'
import { type Mutation, metaDataOf, mutation } from './mutation.testing.ts'
import { type Change, entryName, type RawLog } from './raw-log.testing.ts'

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

/** Each breaks one rule. */
export const fileMutations: readonly Mutation[] = [
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
  mutation('vector-not-enabled', 'marked', 'vectors are written after they were turned off', (log) =>
    log.append(3, metaDataOf(log, { configuration: { 'delta.enableChangeDataFeed': 'true' } })),
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
    log.append(3, metaDataOf(log, { configuration: {} })),
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
]
