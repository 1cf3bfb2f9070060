/** The first actions of a new table. */
import type { Column } from '../../engine/schema.ts'
import type { Action, MetaData } from './actions.ts'
import { assertColumnNames } from './column-names.ts'
import { checkProperty } from './constraints/constraints.ts'
import type { TableRules } from './constraints/rules.ts'
import { protocolFor } from './protocol.ts'
import { printSchema } from './schema.ts'

export interface CreateOptions {
  readonly columns: readonly Column[]
  /** Whether changes are kept for readers (`delta.enableChangeDataFeed`). */
  readonly changeFeed: boolean
  /** Whether rows may be marked as deleted in their files (`delta.enableDeletionVectors`). */
  readonly deletionVectors?: boolean
  /** Columns that its files are parted by; see {@link assertPartitionBy}. Default: none. */
  readonly partitionBy?: readonly string[]
  /** What its rows have to keep; see {@link assertRules}. Default: nothing. */
  readonly rules?: TableRules
  /** Table id, a UUID. */
  readonly id: string
  readonly nowMs: number
  /** More table properties. */
  readonly configuration?: Readonly<Record<string, string>>
}

/**
 * `protocol` and `metaData` of a new table: the least protocol that its columns and its properties need.
 * `SCHEMA_MISMATCH` for columns that other readers could not tell apart or not name.
 */
export function createActions(options: CreateOptions): Action[] {
  assertColumnNames(options.columns, options)
  const { notNull = [], check = {} } = options.rules ?? {}
  const checks = Object.entries(check).map(([name, expression]) => [checkProperty(name), expression])
  const metaData: MetaData = {
    id: options.id,
    format: { provider: 'parquet', options: {} },
    schemaString: printSchema(options.columns, notNull),
    partitionColumns: options.partitionBy ?? [],
    configuration: {
      ...options.configuration,
      ...Object.fromEntries(checks),
      ...(options.changeFeed ? { 'delta.enableChangeDataFeed': 'true' } : {}),
      ...(options.deletionVectors === true ? { 'delta.enableDeletionVectors': 'true' } : {}),
    },
    createdTime: BigInt(options.nowMs),
  }
  return [{ protocol: protocolFor(metaData) }, { metaData }]
}
