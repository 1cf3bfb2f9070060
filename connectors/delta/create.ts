/** The first actions of a new table. */
import { MillraceError } from '../../engine/errors.ts'
import type { Column, DataType } from '../../engine/schema.ts'
import type { Action, MetaData } from './actions.ts'
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
  assertNames(options.columns, '')
  const metaData: MetaData = {
    id: options.id,
    format: { provider: 'parquet', options: {} },
    schemaString: printSchema(options.columns),
    partitionColumns: options.partitionBy ?? [],
    configuration: {
      ...options.configuration,
      ...(options.changeFeed ? { 'delta.enableChangeDataFeed': 'true' } : {}),
      ...(options.deletionVectors === true ? { 'delta.enableDeletionVectors': 'true' } : {}),
    },
    createdTime: BigInt(options.nowMs),
  }
  return [{ protocol: protocolFor(metaData) }, { metaData }]
}

function assertNames(columns: readonly Column[], prefix: string): void {
  if (columns.length === 0)
    throw new MillraceError('SCHEMA_MISMATCH', `${prefix || 'the table'} has no columns (give it at least one)`)
  const seen = new Map<string, string>()
  for (const { name, type } of columns) {
    const path = `${prefix}${name}`
    const twin = seen.get(name.toLowerCase())
    if (twin !== undefined)
      throw new MillraceError(
        'SCHEMA_MISMATCH',
        `columns ${prefix}${twin} and ${path} differ at most in case (rename one)`,
      )
    // the protocol allows these only with column mapping
    if (name === '' || /[ ,;{}()\n\t=]/.test(name))
      throw new MillraceError(
        'SCHEMA_MISMATCH',
        `column name ${JSON.stringify(path)} holds one of ' ,;{}()\\n\\t=' (rename it)`,
      )
    seen.set(name.toLowerCase(), name)
    assertTypeNames(type, path)
  }
}

function assertTypeNames(type: DataType, path: string): void {
  if (typeof type === 'string') return
  if (type.kind === 'struct') assertNames(type.fields, `${path}.`)
  if (type.kind === 'array') assertTypeNames(type.element, `${path}.element`)
  if (type.kind === 'map') assertTypeNames(type.value, `${path}.value`)
}
