/** Which tables we read and write (PROTOCOL.md, "Protocol Evolution" and "Table Features"). */
import { MillraceError } from '../../engine/errors.ts'
import type { Action, MetaData, Protocol } from './actions.ts'
import { mappingMode } from './column-mapping.ts'
import { checkProperty, constraintsOf } from './constraints/constraints.ts'
import { schemaFields } from './schema.ts'
import type { Snapshot } from './table.ts'

/** Features of the readers' list that we honour. */
const readerFeatures: readonly string[] = [
  'columnMapping',
  'deletionVectors',
  'timestampNtz',
  'typeWidening',
  'typeWidening-preview',
  'v2Checkpoint',
  'vacuumProtocolCheck',
]

/**
 * Features of the writers' list that we honour: by doing what they ask, or, those marked in {@link activeRules}, by
 * refusing the tables that really use them.
 */
const writerFeatures: readonly string[] = [
  'appendOnly',
  'invariants',
  'checkConstraints',
  'generatedColumns',
  'changeDataFeed',
  'columnMapping',
  'deletionVectors',
  'identityColumns',
  'timestampNtz',
  'vacuumProtocolCheck',
]

/** `TABLE_UNSUPPORTED` naming every feature that reading the table would need and we lack. */
export function assertReadable(table: string, protocol: Protocol): void {
  const { minReaderVersion: version } = protocol
  if (version === 1 || version === 2) return // 2: column mapping
  if (version !== 3) throw unsupportedVersion(table, 'reader', version)
  const missing = without(protocol.readerFeatures ?? [], readerFeatures)
  if (missing.length > 0) throw unsupported(table, 'read', missing)
}

/**
 * `TABLE_UNSUPPORTED` naming every feature or active rule that writing to the table would have to keep and we cannot.
 * Whoever adds rows enforces the constraints that {@link constraintsOf} can judge; tables with others are refused, not
 * written past.
 */
export function assertWritable(table: string, protocol: Protocol, metaData: MetaData): void {
  assertReadable(table, protocol)
  const { minWriterVersion: version } = protocol
  if (version < 1 || version > 7) throw unsupportedVersion(table, 'writer', version)
  const missing = version === 7 ? without(protocol.writerFeatures ?? [], writerFeatures) : []
  const active = activeRules(metaData)
  if (missing.length + active.length > 0) throw unsupported(table, 'written', [...missing, ...active])
  if (metaData.format.provider !== 'parquet')
    throw unsupported(table, 'written', [`format ${metaData.format.provider}`])
  if (!hasFeature(protocol, 'timestampNtz') && usesNtz(metaData))
    throw unsupported(table, 'written', ['timestamp_ntz columns without the feature timestampNtz'])
}

/** `TABLE_UNSUPPORTED` if the table is append-only (`delta.appendOnly`) and the actions take rows away. */
export function assertAppendOnly(table: string, metaData: MetaData, actions: readonly Action[]): void {
  if (metaData.configuration['delta.appendOnly'] !== 'true') return
  if (!actions.some((action) => 'remove' in action && action.remove.dataChange)) return
  throw new MillraceError(
    'TABLE_UNSUPPORTED',
    `delta table ${table} is append-only: rows cannot be changed or deleted (unset delta.appendOnly, or append)`,
  )
}

/** The least protocol that a new table needs: widest readable first. */
export function protocolFor(metaData: MetaData): Protocol {
  const changeFeed = isEnabled(metaData, 'delta.enableChangeDataFeed')
  const checks = Object.keys(metaData.configuration).some((key) => key.startsWith(checkProperty('')))
  const readerFeatures = [
    ...(isEnabled(metaData, 'delta.enableDeletionVectors') ? ['deletionVectors'] : []),
    ...(usesNtz(metaData) ? ['timestampNtz'] : []),
  ]
  if (readerFeatures.length === 0) return { minReaderVersion: 1, minWriterVersion: changeFeed ? 4 : checks ? 3 : 2 }
  const asked = [...(checks ? ['checkConstraints'] : []), ...(changeFeed ? ['changeDataFeed'] : [])]
  const writerFeatures = ['appendOnly', 'invariants', ...asked, ...readerFeatures]
  return { minReaderVersion: 3, minWriterVersion: 7, readerFeatures, writerFeatures }
}

/** Whether a writer may mark rows of the table as deleted instead of writing their file anew. */
export function writesDeletionVectors({ protocol, metaData }: Pick<Snapshot, 'protocol' | 'metaData'>): boolean {
  return hasFeature(protocol, 'deletionVectors') && isEnabled(metaData, 'delta.enableDeletionVectors')
}

function isEnabled({ configuration }: MetaData, property: string): boolean {
  return configuration[property] === 'true'
}

function hasFeature(protocol: Protocol, feature: string): boolean {
  return protocol.minWriterVersion === 7 && (protocol.writerFeatures ?? []).includes(feature)
}

function usesNtz(metaData: MetaData): boolean {
  for (const { type } of schemaFields(metaData.schemaString))
    if (type === 'timestamp_ntz' || JSON.stringify(type).includes('"timestamp_ntz"')) return true
  return false
}

/** Rules that we can neither follow nor enforce. */
function activeRules(metaData: MetaData): string[] {
  const found = [...constraintsOf(metaData).unknown]
  const mapping = mappingMode(metaData)
  if (mapping !== 'none') found.push(`column mapping ${mapping}`)
  for (const { path, type, metadata } of schemaFields(metaData.schemaString)) {
    if ('delta.generationExpression' in metadata) found.push(`generated column ${path}`)
    if (Object.keys(metadata).some((key) => key.startsWith('delta.identity.'))) found.push(`identity column ${path}`)
    if (type === 'void') found.push(`column ${path} of the type void`)
  }
  return found
}

function without(names: readonly string[], known: readonly string[]): string[] {
  return names.filter((name) => !known.includes(name))
}

function unsupported(table: string, use: 'read' | 'written', features: readonly string[]): MillraceError {
  return new MillraceError(
    'TABLE_UNSUPPORTED',
    `delta table ${table} cannot be ${use}: it uses ${features.join(', ')} (drop the feature with the engine that set it)`,
    { context: { table, features } },
  )
}

function unsupportedVersion(table: string, side: 'reader' | 'writer', version: number): MillraceError {
  return new MillraceError(
    'TABLE_UNSUPPORTED',
    `delta table ${table} needs ${side} version ${version} (${side === 'reader' ? 'up to 3' : 'up to 7'} is supported)`,
    { context: { table, version } },
  )
}
