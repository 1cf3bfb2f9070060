/** Whether a sink gets the columns that its description names. Pure. */
import type { DeltaSinkOptions } from '../connectors/delta/description.ts'
import type { GraphOptions } from '../connectors/graph/description.ts'
import type { OlapOptions } from '../connectors/olap/description.ts'
import type { VectorsOptions } from '../connectors/vectors/description.ts'
import type { SinkDescription } from '../engine/contracts.ts'
import type { Column } from '../engine/schema.ts'

/** Columns that a sink reads of one step. */
interface Wanted {
  readonly step: string
  readonly what: string
  readonly columns: readonly string[]
}

/** Columns by step; steps that a problem keeps unknown are left out. */
export type StepColumns = ReadonlyMap<string, readonly Column[]>

/** One line for each column that a sink needs and its step does not give. */
export function missingColumns(sink: SinkDescription, known: StepColumns): string[] {
  return wantedOf(sink).flatMap(({ step, what, columns }) => {
    const given = known.get(step)?.map(({ name }) => name)
    if (given === undefined) return []
    const missing = columns.filter((name) => !given.includes(name))
    return missing.map(
      (name) =>
        `sink ${sink.writes}: ${what} needs column ${name}, which step ${step} does not give (it gives: ${given.join(', ')})`,
    )
  })
}

function wantedOf(sink: SinkDescription): Wanted[] {
  const rows = sink.inputs.rows ?? ''
  switch (sink.kind) {
    case 'delta': {
      const options = sink.options as unknown as DeltaSinkOptions
      if (options.mode !== 'merge') return []
      return [{ step: rows, what: 'the merge', columns: [...options.key, ...options.newer] }]
    }
    case 'kafka':
      return [
        { step: rows, what: 'a record', columns: sink.options.topic === undefined ? ['topic', 'value'] : ['value'] },
      ]
    case 'olap':
      return wantedByOlap(sink.options as unknown as OlapOptions)
    case 'vectors': {
      const { upserts, deletes } = sink.options as unknown as VectorsOptions
      const gone = deletes === undefined ? [] : [{ step: deletes, what: 'deleting', columns: ['id'] }]
      return [{ step: upserts, what: 'a vector', columns: ['id', 'embedding'] }, ...gone]
    }
    case 'graph':
      return wantedByGraph(sink.options as unknown as GraphOptions)
    default:
      return []
  }
}

function wantedByOlap({ tables, owners }: OlapOptions): Wanted[] {
  return Object.entries(tables).flatMap(([table, { from, key, owner }]) => [
    { step: from, what: `table ${table}`, columns: [...new Set([...key, ...Object.keys(owner)])] },
    { step: owners, what: `table ${table}`, columns: Object.values(owner) },
  ])
}

function wantedByGraph({ nodes = {}, removeNodes = {}, owners, relationships = {} }: GraphOptions): Wanted[] {
  const ofNodes = Object.entries(nodes).map(([label, { from, key, properties }]) => ({
    step: from,
    what: `label ${label}`,
    columns: [key, ...Object.keys(properties)],
  }))
  const ofRemovals = Object.entries(removeNodes).map(([label, { from, key }]) => ({
    step: from,
    what: `removing ${label}`,
    columns: [key],
  }))
  const ofRelationships = Object.entries(relationships).flatMap(([type, given]) =>
    [given].flat().map(({ from, fromKey, toKey, key, properties }) => ({
      step: from,
      what: `relationship ${type}`,
      columns: [...new Set([fromKey, toKey, key, ...Object.keys(properties)])],
    })),
  )
  const ofOwners = owners === undefined ? [] : [{ step: owners.from, what: 'owners', columns: [owners.key] }]
  return [...ofNodes, ...ofRemovals, ...ofOwners, ...ofRelationships]
}
