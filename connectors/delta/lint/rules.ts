/** Every rule of the linter: how bad a breach is, where PROTOCOL.md has it, and what it asks. */

/**
 * `error`: PROTOCOL.md forbids it, or the log contradicts itself. `warning`: it is allowed, and yet readers and writers are better off
 * without it.
 */
export type Severity = 'error' | 'warning'

/** One rule. */
export interface Rule {
  readonly severity: Severity
  /** Heading in PROTOCOL.md. */
  readonly section: string
  /** What must hold. */
  readonly asks: string
}

const error = (section: string, asks: string): Rule => ({ severity: 'error', section, asks })
const warning = (section: string, asks: string): Rule => ({ severity: 'warning', section, asks })

/** By id; the order is that of a walk through a log. */
export const rules = {
  // the folder
  'log-missing': error('Delta Log Entries', 'a table has a log'),
  'log-gap': error('Delta Log Entries', 'versions follow each other without a gap'),
  'log-without-beginning': error(
    'Metadata Cleanup',
    'the log begins with version 0, or with a checkpoint that can be read',
  ),

  // lines of entries
  'entry-empty': error('Delta Log Entries', 'an entry has at least one action'),
  'line-not-json': error('Delta Log Entries', 'every line is JSON'),
  'line-not-one-action': error('Actions', 'every line is an object with one action of the protocol'),
  'key-twice': error('Actions', 'no object has a key twice'),
  'action-unknown': warning('Protocol Evolution', 'actions are those of the protocol; readers ignore others'),
  'action-misplaced': error('Actions', 'what is for checkpoints is in no entry, what is for entries in no checkpoint'),
  'field-unknown': warning('Protocol Evolution', 'fields are those of the protocol; readers ignore others'),
  'field-missing': error('Actions', 'an action has all of its required fields'),
  'field-malformed': error('Actions', 'a field has its type, and a value that can be'),

  // an entry as a whole
  'first-entry-incomplete': error('Change Metadata', 'the first version has protocol and metaData'),
  'metadata-twice': error('Change Metadata', 'an entry has at most one metaData'),
  'protocol-twice': error('Protocol Evolution', 'an entry has at most one protocol'),
  'txn-twice': error('Transaction Identifiers', 'an entry has at most one txn of an appId'),
  'domain-twice': error('Domain Metadata', 'an entry has at most one domainMetadata of a domain'),
  'add-twice': error('Add File and Remove File', 'an entry adds a path at most once, whatever its deletion vector'),
  'remove-twice': error(
    'Add File and Remove File',
    'an entry removes a path at most once, whatever its deletion vector',
  ),
  'cdc-twice': error('Add CDC File', 'an entry adds a change file at most once'),
  'add-and-remove': error('Add File and Remove File', 'an entry does not add and remove the same logical file'),
  'add-without-remove': error(
    'Add File and Remove File',
    'a live path is added with another deletion vector only beside the remove of the live one',
  ),
  'remove-not-live': error('Action Reconciliation', 'what is removed is live'),
  'rearrangement-changes-rows': error(
    'Add File and Remove File',
    'an entry whose files all say dataChange false has as many rows after it as before',
  ),
  'append-only-remove': error('Append-only Tables', 'an append-only table has no remove with dataChange true'),
  'blind-append-removes': warning(
    'Commit Provenance Information',
    'what calls itself a blind append removes no file and changes no row',
  ),

  // files
  'path-malformed': error('Add File and Remove File', 'a path is a percent-encoded URI'),
  'extended-metadata-missing': error(
    'Add File and Remove File',
    'a remove with extendedFileMetadata has partitionValues and size',
  ),
  'partition-keys': error('Add File and Remove File', 'partitionValues has exactly the partition columns as keys'),
  'partition-value': error('Partition Value Serialization', 'a partition value is a text of its column’s type'),
  'stats-malformed': error('Per-file Statistics', 'stats is a JSON object with counts that are not negative'),
  'stats-column': error('Per-file Statistics', 'stats name columns of the table'),
  'stats-bounds': error('Per-file Statistics', 'no minimum is above its maximum'),
  'stats-null-count': error('Per-file Statistics', 'no column has more nulls than the file has rows'),
  'vector-malformed': error('Deletion Vectors', 'a deletion vector is well-formed, and holds as many rows as it says'),
  'vector-without-row-count': error('Deletion Vectors', 'a file with a deletion vector says how many rows it has'),
  'vector-too-large': error('Deletion Vectors', 'no more rows are deleted than the file has'),
  'vector-without-feature': error('Deletion Vectors', 'deletion vectors need their feature in the protocol'),
  'vector-not-enabled': error(
    'Deletion Vectors',
    'new deletion vectors are written only where delta.enableDeletionVectors is true',
  ),
  'cdc-data-change': error('Add CDC File', 'a cdc action has dataChange false'),
  // the reference implementation lets both pass
  'cdc-partition-keys': warning(
    'Add CDC File',
    'partitionValues of a change file has exactly the partition columns as keys',
  ),
  'cdc-not-enabled': warning('Add CDC File', 'change files are in tables whose change feed is enabled'),

  // commitInfo
  'commit-info-not-first': error('In-Commit Timestamps', 'with in-commit timestamps, commitInfo is the first action'),
  'commit-timestamp-missing': error('In-Commit Timestamps', 'every commitInfo has its in-commit timestamp'),
  'commit-timestamp-not-later': error('In-Commit Timestamps', 'in-commit timestamps grow with every version'),

  // protocol
  'protocol-version': error('Protocol Evolution', 'versions are some that exist, and reader 3 comes with writer 7'),
  'feature-lists': error('Table Features', 'features are listed if, and only if, the version is 3 or 7'),
  'feature-twice': error('Table Features', 'a list has a feature once'),
  'feature-unknown': warning('Valid Feature Names in Table Features', 'features are those of the protocol'),
  'reader-feature': error(
    'Table Features',
    'a feature that readers must know is in both lists, any other not in that of readers',
  ),
  'feature-dependency': error('Table Features', 'what a feature depends on is listed too'),
  'feature-not-listed': error('Table Features', 'the protocol has what schema, properties and actions need'),
  // columns that are copied keep it, and the reference implementation takes it for nothing
  'column-metadata-inactive': warning(
    'Table Features',
    'what is said of a column has the feature that gives it a meaning',
  ),
  'protocol-lowered': warning('Protocol Evolution', 'versions of the protocol do not go down'),

  // metaData
  // the reference implementation writes none for a table without columns, and readers take it so
  'schema-missing': warning('Change Metadata', 'a table has a schema'),
  'schema-malformed': error('Schema Serialization Format', 'schemaString is the JSON of a struct'),
  'column-twice': error('Schema Serialization Format', 'no two columns of a struct differ at most in case'),
  'column-name': error('Column Mapping', 'without column mapping, names have none of the characters " ,;{}()\\n\\t="'),
  'partition-column': error(
    'Change Metadata',
    'partition columns are columns of the schema, each once, of plain types',
  ),
  'format-not-parquet': error('Format Specification', 'the data files are Parquet'),
  'table-id-changed': error('Change Metadata', 'the id of a table stays'),
  'property-malformed': error('Change Metadata', 'properties have values of their types'),
  'column-mapping-mode': error('Column Mapping', 'the mode is none, name or id, and is not taken back'),
  'column-mapping-field': error('Column Mapping', 'every column has an id and a physical name, each of its own'),
  'column-mapping-max-id': error(
    'Column Mapping',
    'delta.columnMapping.maxColumnId is at least every id, and only grows',
  ),
  'column-dropped': error('Column Mapping', 'without column mapping, no column goes while files that have it stay'),
  'column-type-changed': error('Type Widening', 'a column keeps its type while files stay, unless types may widen'),
  'partition-columns-changed': error('Change Metadata', 'partition columns stay while files stay'),

  // transactions, domains, row ids
  'txn-without-last-updated': warning(
    'Transaction Identifiers',
    'where transactions expire, a txn says when it was updated: some readers drop it otherwise',
  ),
  'row-id-missing': error('Row Tracking', 'every add has baseRowId and defaultRowCommitVersion'),
  'row-id-not-fresh': error('Row Tracking', 'row ids of new files are above all that were given before'),
  'row-id-above-high-water-mark': error('Row Tracking', 'row ids are at most the high-water mark'),
  'high-water-mark-lowered': error('Row Tracking', 'the high-water mark of row ids does not go down'),

  // checkpoints
  'checkpoint-unreadable': error('Checkpoints', 'a checkpoint can be read'),
  'checkpoint-incomplete': warning('Checkpoints', 'all parts of a checkpoint are there; readers pass over others'),
  'checkpoint-without-entry': error('Checkpoints', 'a checkpoint is of a version that has its entry, or older'),
  'checkpoint-entry-twice': error('Checkpoints', 'a checkpoint has each logical file, transaction and the like once'),
  // other writers leave it as it was in the log
  'checkpoint-data-change': warning('Checkpoints', 'files in a checkpoint have dataChange false'),
  'checkpoint-protocol': error('Checkpoints', 'a checkpoint has the protocol of its version'),
  'checkpoint-metadata': error('Checkpoints', 'a checkpoint has the metaData of its version'),
  'checkpoint-file-missing': error('Checkpoints', 'a checkpoint has every live file'),
  'checkpoint-file-extra': error('Checkpoints', 'a checkpoint has no file that is not live'),
  'checkpoint-file-different': error('Checkpoints', 'a checkpoint tells of a file what the log tells'),
  'checkpoint-tombstone-missing': error('Checkpoints', 'a checkpoint has every tombstone that is not expired'),
  'checkpoint-tombstone-extra': error('Checkpoints', 'a checkpoint has no tombstone of a file that was never removed'),
  'checkpoint-txn': error('Checkpoints', 'a checkpoint has the newest txn of every appId'),
  'checkpoint-domain': error('Checkpoints', 'a checkpoint has every live metadata domain'),
  // readers that find no statistics read more files than they must
  'checkpoint-statistics': warning(
    'Checkpoint Schema',
    'statistics are in a checkpoint as the table’s properties ask for',
  ),
  'checkpoint-v2': error(
    'V2 Spec',
    'a checkpoint of the V2 spec has its feature, its checkpointMetadata and its sidecars',
  ),
  'hint-unreadable': warning('Last Checkpoint File', '_last_checkpoint is JSON with a version; readers do without'),
  'hint-dangling': error('Last Checkpoint File', '_last_checkpoint names a checkpoint that is there'),
  // other writers count otherwise, and readers take it for no more than a hint
  'hint-mismatch': warning('Last Checkpoint File', '_last_checkpoint tells of its checkpoint what is in it'),

  // beside the entries
  'checksum-unreadable': error('Version Checksum File', 'a version checksum is a JSON object'),
  // older writers of the reference implementation leave out protocol and metadata
  'checksum-incomplete': warning('Version Checksum File', 'a version checksum has its required fields'),
  'checksum-mismatch': error('Version Checksum File', 'a version checksum tells what the log tells'),
  'checksum-without-entry': error(
    'Version Checksum File',
    'a version checksum is of a version that has its entry, or older',
  ),
  'compaction-range': error('Log Compaction Files', 'a compacted file is of a range of versions that exist'),
} as const satisfies Readonly<Record<string, Rule>>

/** Name of a rule. */
export type RuleId = keyof typeof rules
