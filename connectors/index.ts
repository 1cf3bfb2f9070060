/** Descriptions of what pipelines read and write. Data only: the connectors themselves are opened where they run. */
export {
  type DeltaAppendOptions,
  type DeltaMergeClause,
  type DeltaMergeClauses,
  type DeltaMergeOptions,
  type DeltaOverwriteOptions,
  type DeltaSinkOptions,
  type DeltaSourceOptions,
  delta,
} from './delta/description.ts'
export {
  type GraphNodes,
  type GraphOptions,
  type GraphOwners,
  type GraphRelationship,
  type GraphRemovals,
  type GraphStub,
  graph,
} from './graph/description.ts'
export { type OlapOptions, type OlapSourceOptions, type OlapTable, olap, olapChanges } from './olap/description.ts'
export { kafka, type TopicOptions } from './records/description.ts'
export { foreignMarks, mediaTypes, sharedFields } from './tmdb/object-kinds.ts'
export { type VectorsOptions, vectors } from './vectors/description.ts'
