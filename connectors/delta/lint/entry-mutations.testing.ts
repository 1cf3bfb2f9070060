/** Ways to break what a log folder holds, and the lines of an entry, each by itself and as a whole. */
import { add, type Mutation, metaDataOf, mutation, remove } from './mutation.testing.ts'
import { entryName } from './raw-log.testing.ts'

/** Each breaks one rule. */
export const entryMutations: readonly Mutation[] = [
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
  mutation('action-unknown', 'appended', 'an unknown action beside a known one', (log) =>
    log.setText(3, log.text(3).replace('{"txn":', '{"addition":{},"txn":')),
  ),
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
  mutation('metadata-twice', 'appended', 'a second metaData', (log) => log.append(0, metaDataOf(log, {}))),
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
]
