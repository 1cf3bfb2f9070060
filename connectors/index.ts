/** Descriptions of what pipelines read and write. Data only: the connectors themselves are opened where they run. */
export {
  type DeltaAppendOptions,
  type DeltaMergeOptions,
  type DeltaSinkOptions,
  type DeltaSourceOptions,
  delta,
} from './delta/description.ts'
export { kafka, type TopicOptions } from './file-log/description.ts'
