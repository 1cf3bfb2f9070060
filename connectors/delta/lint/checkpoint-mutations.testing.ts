/** Ways to break checkpoints and the other files beside the entries. */
import { printJson } from '../int64-json.ts'
import { versionName } from '../log-entry.ts'
import { type Mutation, mutation } from './mutation.testing.ts'
import { type Change, entryName, type RawLog } from './raw-log.testing.ts'

const rename = (log: RawLog, from: string, to: string): void => {
  log.files.set(to, log.files.get(from)!)
  log.files.delete(from)
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

/** Each breaks one rule. */
export const checkpointMutations: readonly Mutation[] = [
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
  mutation('checkpoint-statistics', 'checkpointed', 'statistics were asked for as structs', (log, { rewrite }) => {
    const name = 'delta.checkpoint.writeStatsAsStruct'
    log.edit(0, 'metaData', (fields) => {
      ;(fields.configuration as Change)[name] = 'true'
    })
    return rewrite(log, 2, (rows) => {
      const configuration = `map_concat(metaData.configuration, MAP {'${name}': 'true'})`
      return `SELECT * REPLACE (CASE WHEN metaData IS NULL THEN NULL ELSE struct_update(metaData, configuration := ${configuration}) END AS metaData) FROM ${rows}`
    })
  }),
  mutation('checkpoint-v2', 'checkpointed', 'a sidecar that is not there', (log, { rewrite }) =>
    rewrite(log, 2, (rows) => {
      const sidecar = `struct_pack(path := 'gone.parquet', sizeInBytes := 1::BIGINT, modificationTime := 1::BIGINT)`
      return `SELECT *, NULL AS sidecar FROM ${rows} UNION ALL (SELECT NULL, NULL, NULL, NULL, NULL, ${sidecar})`
    }),
  ),
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
