/** Table features: who must know them, from which versions on they go without saying, and what asks for them. */
import { isObject } from '../schema.ts'
import { type Fields, fieldOf, textsOf } from './raw-action.ts'
import type { LintField } from './table-schema.ts'

interface Feature {
  /** Whether readers must know it, too. */
  readonly readers: boolean
  /** The writer version, before there were lists, from which on it was part of the protocol. */
  readonly fromWriter?: number
  /** The same of readers. */
  readonly fromReader?: number
  readonly needs?: readonly string[]
}

const writers: Feature = { readers: false }
const both: Feature = { readers: true }

/** PROTOCOL.md, "Valid Feature Names in Table Features" and "Writer Version Requirements". */
const features: Readonly<Record<string, Feature>> = {
  appendOnly: { readers: false, fromWriter: 2 },
  invariants: { readers: false, fromWriter: 2 },
  checkConstraints: { readers: false, fromWriter: 3 },
  changeDataFeed: { readers: false, fromWriter: 4 },
  generatedColumns: { readers: false, fromWriter: 4 },
  columnMapping: { readers: true, fromWriter: 5, fromReader: 2 },
  identityColumns: { readers: false, fromWriter: 6 },
  allowColumnDefaults: writers,
  domainMetadata: writers,
  checkpointProtection: writers,
  materializePartitionColumns: writers,
  rowTracking: { readers: false, needs: ['domainMetadata'] },
  clustering: { readers: false, needs: ['domainMetadata'] },
  icebergCompatV1: { readers: false, needs: ['columnMapping'] },
  icebergCompatV2: { readers: false, needs: ['columnMapping'] },
  icebergCompatV3: { readers: false, needs: ['columnMapping', 'rowTracking'] },
  inCommitTimestamp: writers,
  'inCommitTimestamp-preview': writers,
  'coordinatedCommits-preview': { readers: false, needs: ['inCommitTimestamp'] },
  deletionVectors: both,
  timestampNtz: both,
  typeWidening: both,
  'typeWidening-preview': both,
  v2Checkpoint: both,
  vacuumProtocolCheck: both,
  variantType: both,
  'variantType-preview': both,
  variantShredding: both,
  'variantShredding-preview': both,
  catalogManaged: { readers: true, needs: ['inCommitTimestamp'] },
  'catalogOwned-preview': { readers: true, needs: ['inCommitTimestamp'] },
}

/** Undefined: the protocol has no feature of that name. */
export function featureOf(name: string): Feature | undefined {
  return Object.hasOwn(features, name) ? features[name] : undefined
}

/** Whether a protocol has a feature, by name or by its versions; a preview of it counts. */
export function hasFeature(protocol: Fields, name: string): boolean {
  const listed = textsOf(protocol, 'writerFeatures')
  if (Number(fieldOf(protocol, 'minWriterVersion')) === 7)
    return listed.includes(name) || listed.includes(`${name}-preview`)
  const { fromWriter, fromReader = 1 } = featureOf(name) ?? {}
  return (
    fromWriter !== undefined &&
    Number(fieldOf(protocol, 'minWriterVersion')) >= fromWriter &&
    Number(fieldOf(protocol, 'minReaderVersion')) >= fromReader
  )
}

/** A feature that a table asks for, and why. */
export interface Need {
  readonly feature: string
  readonly why: string
  /** Whether readers and writers take the reason for nothing where the feature is missing. */
  readonly optional?: boolean
}

const switches: Readonly<Record<string, string>> = {
  'delta.appendOnly': 'appendOnly',
  'delta.enableChangeDataFeed': 'changeDataFeed',
  'delta.enableDeletionVectors': 'deletionVectors',
  'delta.enableRowTracking': 'rowTracking',
  'delta.enableInCommitTimestamps': 'inCommitTimestamp',
  'delta.enableTypeWidening': 'typeWidening',
  'delta.enableIcebergCompatV1': 'icebergCompatV1',
  'delta.enableIcebergCompatV2': 'icebergCompatV2',
  'delta.enableIcebergCompatV3': 'icebergCompatV3',
}

/** Features that properties ask for. */
export function neededByProperties(configuration: Fields): Need[] {
  const needs: Need[] = []
  for (const [name, value] of Object.entries(configuration)) {
    const feature = Object.hasOwn(switches, name) ? switches[name] : undefined
    if (feature !== undefined && value === 'true') needs.push({ feature, why: `${name} is true` })
    if (name.startsWith('delta.constraints.')) needs.push({ feature: 'checkConstraints', why: `there is ${name}` })
    if (name === 'delta.columnMapping.mode' && value !== 'none')
      needs.push({ feature: 'columnMapping', why: `${name} is ${String(value)}` })
    if (name === 'delta.checkpointPolicy' && value === 'v2')
      needs.push({ feature: 'v2Checkpoint', why: `${name} is v2` })
  }
  return needs
}

const typeFeatures: Readonly<Record<string, string>> = { timestamp_ntz: 'timestampNtz', variant: 'variantType' }

/** Without their features, all but the first are as good as not there: columns were copied from tables that have them. */
const metadataFeatures: readonly { readonly key: RegExp; readonly feature: string; readonly optional: boolean }[] = [
  { key: /^delta\.typeChanges$/, feature: 'typeWidening', optional: false },
  { key: /^delta\.invariants$/, feature: 'invariants', optional: true },
  { key: /^delta\.generationExpression$/, feature: 'generatedColumns', optional: true },
  { key: /^delta\.identity\./, feature: 'identityColumns', optional: true },
  { key: /^CURRENT_DEFAULT$/, feature: 'allowColumnDefaults', optional: true },
]

/** Features that a column asks for, by its type or by what is said of it. */
export function neededByField({ path, type, metadata }: LintField): Need[] {
  const needs: Need[] = []
  const name = path.join('.')
  for (const plain of plainTypes(type)) {
    const feature = Object.hasOwn(typeFeatures, plain) ? typeFeatures[plain] : undefined
    if (feature !== undefined) needs.push({ feature, why: `column ${name} is of type ${plain}` })
  }
  for (const key of Object.keys(metadata))
    for (const { key: pattern, feature, optional } of metadataFeatures)
      if (pattern.test(key)) needs.push({ feature, why: `column ${name} has ${key}`, optional })
  return needs
}

/** The types in a type that are names, but for those inside of structs: they are fields of their own. */
function plainTypes(type: unknown): string[] {
  if (typeof type === 'string') return [type]
  if (!isObject(type)) return []
  if (type.type === 'array') return plainTypes(type.elementType)
  return type.type === 'map' ? [...plainTypes(type.keyType), ...plainTypes(type.valueType)] : []
}
