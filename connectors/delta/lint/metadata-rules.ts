/** Rules about `metaData` actions (PROTOCOL.md, "Change Metadata", "Schema Serialization Format", "Column Mapping"). */
import { hasFeature, type Need, neededByField, neededByProperties } from './features.ts'
import type { Report } from './finding.ts'
import { type Fields, fieldOf, objectOf, textOf, textsOf } from './raw-action.ts'
import { type LintField, readSchema } from './table-schema.ts'

/** What later rules need of a `metaData` action. */
export interface TableView {
  readonly metaData: Fields
  readonly configuration: Fields
  /** Null: the schema could not be read. */
  readonly fields: readonly LintField[] | null
  readonly partitionColumns: readonly string[]
  readonly mapping: string
  /** By the names that files have them under; for statistics. */
  readonly byPhysicalPath: ReadonlyMap<string, LintField>
}

/** Reads a `metaData` action and reports what is wrong with it alone. */
export function viewOf(metaData: Fields, report: Report): TableView {
  const schemaString = textOf(metaData, 'schemaString')
  const fields = schemaString === undefined ? null : readSchema(schemaString, report)
  if (schemaString === undefined) report('schema-missing', 'there is no schemaString')
  const configuration = objectOf(metaData, 'configuration')
  const view: TableView = {
    metaData,
    configuration,
    fields,
    partitionColumns: textsOf(metaData, 'partitionColumns'),
    mapping: textOf(configuration, 'delta.columnMapping.mode') ?? 'none',
    byPhysicalPath: new Map(fields?.map((field) => [pathKey(field.physicalPath), field])),
  }
  const provider = textOf(objectOf(metaData, 'format'), 'provider')
  if (provider !== undefined && provider !== 'parquet') report('format-not-parquet', `the format is ${provider}`)
  checkProperties(configuration, report)
  if (fields !== null) {
    checkNames(view, fields, report)
    checkPartitionColumns(view, fields, report)
    if (view.mapping !== 'none') checkMapping(view, fields, report)
  }
  return view
}

/** A path as a key of maps. */
export function pathKey(path: readonly string[]): string {
  return path.join('\0')
}

/** Features that the schema and the properties need and the protocol lacks (PROTOCOL.md, "Table Features"). */
export function checkNeeds({ configuration, fields }: TableView, protocol: Fields, report: Report): void {
  const needs: Need[] = [...neededByProperties(configuration), ...(fields ?? []).flatMap(neededByField)]
  const told = new Set<string>()
  for (const { feature, why, optional } of needs) {
    if (told.has(feature) || hasFeature(protocol, feature)) continue
    told.add(feature)
    report(
      optional === true ? 'column-metadata-inactive' : 'feature-not-listed',
      `the protocol lacks ${feature}, and ${why}`,
    )
  }
}

const flags: ReadonlySet<string> = new Set([
  'delta.appendOnly',
  'delta.enableChangeDataFeed',
  'delta.enableDeletionVectors',
  'delta.enableRowTracking',
  'delta.enableInCommitTimestamps',
  'delta.enableTypeWidening',
  'delta.enableExpiredLogCleanup',
  'delta.checkpoint.writeStatsAsJson',
  'delta.checkpoint.writeStatsAsStruct',
])
/** Least value of properties that are integers. */
const integers: Readonly<Record<string, bigint>> = {
  'delta.checkpointInterval': 1n,
  'delta.columnMapping.maxColumnId': 0n,
  'delta.dataSkippingNumIndexedCols': -1n,
}

function checkProperties(configuration: Fields, report: Report): void {
  for (const [name, value] of Object.entries(configuration)) {
    if (typeof value !== 'string') continue // told of as a field
    const least = Object.hasOwn(integers, name) ? integers[name] : undefined
    if (least !== undefined && !(/^-?\d+$/.test(value) && BigInt(value) >= least))
      report('property-malformed', `${name} is ${value}, not an integer from ${least}`)
    if (flags.has(name) && !/^(true|false)$/i.test(value))
      report('property-malformed', `${name} is ${value}, neither true nor false`)
  }
  const mode = textOf(configuration, 'delta.columnMapping.mode') ?? 'none'
  if (!['none', 'name', 'id'].includes(mode)) report('column-mapping-mode', `there is no column mapping mode ${mode}`)
}

function checkNames({ mapping }: TableView, fields: readonly LintField[], report: Report): void {
  const seen = new Map<string, string>()
  for (const { path, name } of fields) {
    const key = pathKey([...path.slice(0, -1), name.toLowerCase()])
    const twin = seen.get(key)
    if (twin !== undefined) report('column-twice', `columns ${twin} and ${path.join('.')} differ at most in case`)
    seen.set(key, path.join('.'))
    if (mapping === 'none' && (name === '' || /[ ,;{}()\n\t=]/.test(name)))
      report('column-name', `the name ${JSON.stringify(path.join('.'))} needs column mapping`)
  }
}

function checkPartitionColumns({ partitionColumns }: TableView, fields: readonly LintField[], report: Report): void {
  const seen = new Set<string>()
  for (const column of partitionColumns) {
    const field = fields.find(({ path }) => path.length === 1 && path[0] === column)
    if (field === undefined) report('partition-column', `partition column ${column} is not in the schema`)
    else if (typeof field.type !== 'string')
      report('partition-column', `partition column ${column} is of no plain type`)
    if (seen.has(column)) report('partition-column', `partition column ${column} is there twice`)
    seen.add(column)
  }
}

function checkMapping({ configuration }: TableView, fields: readonly LintField[], report: Report): void {
  const [ids, names] = [new Map<string, string>(), new Map<string, string>()]
  let greatest = 0n
  for (const { path, physicalPath, metadata } of fields) {
    const [name, id] = [path.join('.'), metadata['delta.columnMapping.id']]
    if (typeof id !== 'number' || !Number.isSafeInteger(id)) report('column-mapping-field', `column ${name} has no id`)
    else {
      if (ids.has(String(id)))
        report('column-mapping-field', `columns ${ids.get(String(id))} and ${name} have id ${id}`)
      ids.set(String(id), name)
      if (BigInt(id) > greatest) greatest = BigInt(id)
    }
    if (typeof metadata['delta.columnMapping.physicalName'] !== 'string')
      report('column-mapping-field', `column ${name} has no physical name`)
    const twin = names.get(pathKey(physicalPath))
    if (twin !== undefined) report('column-mapping-field', `columns ${twin} and ${name} have the same physical name`)
    names.set(pathKey(physicalPath), name)
  }
  const most = textOf(configuration, 'delta.columnMapping.maxColumnId')
  if (most === undefined) report('column-mapping-max-id', 'there is no delta.columnMapping.maxColumnId')
  else if (/^\d+$/.test(most) && BigInt(most) < greatest)
    report('column-mapping-max-id', `delta.columnMapping.maxColumnId is ${most}, and there is an id ${greatest}`)
}

/**
 * What a newer `metaData` must keep of the one before.
 *
 * @param filesStay whether files that were live before are still live after the version
 */
export function checkChange(before: TableView, after: TableView, filesStay: boolean, report: Report): void {
  const [oldId, newId] = [fieldOf(before.metaData, 'id'), fieldOf(after.metaData, 'id')]
  if (oldId !== newId) report('table-id-changed', `the id ${String(oldId)} became ${String(newId)}`)
  checkMappingChange(before, after, report)
  if (!filesStay || before.fields === null || after.fields === null) return
  const [oldColumns, newColumns] = [before.partitionColumns.join(', '), after.partitionColumns.join(', ')]
  if (before.mapping === 'none' && oldColumns !== newColumns)
    report('partition-columns-changed', `partition columns (${oldColumns}) became (${newColumns})`)
  for (const { path, physicalPath, type } of before.fields) {
    const now = after.byPhysicalPath.get(pathKey(physicalPath))
    const name = path.join('.')
    if (now === undefined) {
      // with column mapping a column goes, and its physical name never comes back
      if (after.mapping === 'none') report('column-dropped', `column ${name} is gone`)
      continue
    }
    const [oldType, newType] = [shallow(type), shallow(now.type)]
    if (oldType !== newType && !('delta.typeChanges' in now.metadata))
      report('column-type-changed', `column ${name} was ${oldType} and is ${newType}`)
  }
}

function checkMappingChange(before: TableView, after: TableView, report: Report): void {
  const [from, to] = [before.mapping, after.mapping]
  // names may be mapped later, and by name only: the files that are there have no ids
  if (from !== to && !(from === 'none' && to === 'name') && !(from === 'name' && to === 'none'))
    report('column-mapping-mode', `the column mapping mode ${from} became ${to}`)
  const [old, now] = [before, after].map(({ configuration }) =>
    textOf(configuration, 'delta.columnMapping.maxColumnId'),
  )
  if (old === undefined || now === undefined || !/^\d+$/.test(old) || !/^\d+$/.test(now)) return
  if (BigInt(now) < BigInt(old))
    report('column-mapping-max-id', `delta.columnMapping.maxColumnId went from ${old} to ${now}`)
}

/** A type without what is inside of it: the fields in there are looked at by themselves. */
function shallow(type: unknown): string {
  if (typeof type === 'string') return type.replace(/,\s+/, ',')
  const { type: kind, elementType, keyType, valueType } = type as Fields
  if (kind === 'array') return `array<${shallow(elementType)}>`
  return kind === 'map' ? `map<${shallow(keyType)}, ${shallow(valueType)}>` : 'struct'
}
