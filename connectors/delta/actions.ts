/**
 * The actions of the Delta log in the protocol's own words (PROTOCOL.md, "Actions"). 64-bit integers are bigint from
 * parse to print; fields that we do not know are ignored on read.
 */

export interface AddFile {
  /** Percent-encoded, relative to the table's root (or absolute). */
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly size: bigint
  readonly modificationTime: bigint
  readonly dataChange: boolean
  /** JSON text, as in the log. */
  readonly stats?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly deletionVector?: DeletionVector
}

/** A file that was live and is not any more; kept in the log until its retention is over. */
export interface RemoveFile {
  readonly path: string
  readonly deletionTimestamp?: bigint
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean
  readonly partitionValues?: Readonly<Record<string, string | null>>
  readonly size?: bigint
  readonly deletionVector?: DeletionVector
}

/** Carried, never evaluated here: a table that has one needs reader version 3. */
export interface DeletionVector {
  readonly storageType: string
  readonly pathOrInlineDv: string
  readonly offset?: number
  readonly sizeInBytes: number
  readonly cardinality: bigint
}

/** A file of the change feed (PROTOCOL.md, "Add CDC File"). */
export interface AddCdcFile {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly size: bigint
  readonly dataChange: false
}

/** The table itself: its id, schema and properties. The newest one counts. */
export interface MetaData {
  readonly id: string
  readonly name?: string
  readonly description?: string
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string>> }
  /** JSON text of the schema, as in the log. */
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTime?: bigint
}

/** What a program must know to read or write the table. */
export interface Protocol {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures?: readonly string[]
  readonly writerFeatures?: readonly string[]
}

/** Transaction identifier: how far an application has come (PROTOCOL.md, "Transaction Identifiers"). */
export interface Txn {
  readonly appId: string
  readonly version: bigint
  /** Milliseconds; always written by us, since retention may drop a `txn` without it. */
  readonly lastUpdated?: bigint
}

/** Free-form; `txnId`, `isBlindAppend` and `readVersion` are what conflict checks rely on. */
export interface CommitInfo {
  readonly timestamp?: bigint
  readonly operation?: string
  readonly operationParameters?: Readonly<Record<string, unknown>>
  readonly readVersion?: bigint
  readonly isBlindAppend?: boolean
  readonly operationMetrics?: Readonly<Record<string, string>>
  readonly engineInfo?: string
  readonly txnId?: string
  /** What Millrace adds for people and audits; the `txn` actions stay the authority. */
  readonly millrace?: {
    readonly pipeline: string
    readonly fingerprint: string
    readonly ranges: Readonly<Record<string, readonly [start: string, end: string]>>
  }
}

/** One line of a log entry: exactly one key. */
export type Action =
  | { readonly add: AddFile }
  | { readonly remove: RemoveFile }
  | { readonly cdc: AddCdcFile }
  | { readonly metaData: MetaData }
  | { readonly protocol: Protocol }
  | { readonly txn: Txn }
  | { readonly commitInfo: CommitInfo }
  | { readonly domainMetadata: { readonly domain: string; readonly configuration: string; readonly removed: boolean } }
