/** Names of columns in data files, statistics and partition values (PROTOCOL.md, "Column Mapping"). */
import type { Column, DataType } from '../../engine/schema.ts'
import type { MetaData } from './actions.ts'
import { type FieldJson, fieldsOf, isObject, parseRoot } from './schema.ts'

const physicalName = 'delta.columnMapping.physicalName'

/** How a table names its columns in files: as in the schema, or by names and ids of their own. */
export function mappingMode(metaData: MetaData): string {
  return metaData.configuration['delta.columnMapping.mode'] ?? 'none'
}

/**
 * Columns of a table as its statistics, its partition values and, but for the mode `id`, its data files name them: the same types with the
 * same fields. The same object where the table names them alike. In the mode `id` a data file may have any names (`field-ids.ts`).
 */
export function physicalColumns(metaData: MetaData, columns: readonly Column[]): readonly Column[] {
  return mappingMode(metaData) === 'none' ? columns : renamed(columns, fieldsOf(parseRoot(metaData.schemaString)))
}

function renamed(columns: readonly Column[], fields: readonly FieldJson[]): Column[] {
  return columns.map(({ name, type }) => {
    const field = fields.find((each) => each.name === name)
    const physical = field?.metadata?.[physicalName]
    return { name: typeof physical === 'string' ? physical : name, type: renamedType(type, field?.type) }
  })
}

function renamedType(type: DataType, json: unknown): DataType {
  if (typeof type === 'string' || !isObject(json)) return type
  switch (type.kind) {
    case 'struct':
      return { kind: 'struct', fields: renamed(type.fields, fieldsOf(json)) }
    case 'array':
      return { kind: 'array', element: renamedType(type.element, json.elementType) }
    case 'map':
      return { kind: 'map', key: renamedType(type.key, json.keyType), value: renamedType(type.value, json.valueType) }
    case 'decimal':
      return type
  }
}
