/** What authors of pipelines and connectors use of the engine. */
export type {
  Delivery,
  Executor,
  Limits,
  ObjectStore,
  Position,
  Range,
  RecordReader,
  RecordSource,
  Sink,
  SinkDescription,
  Source,
  SourceDescription,
  Step,
  TableSource,
} from './contracts.ts'
export { defaultLimits, definePipeline, type PipelineSpec } from './define.ts'
export { type ErrorCode, MillraceError } from './errors.ts'
export type { PipelineEvent } from './events.ts'
export type { Pipeline } from './pipeline.ts'
export { runPipeline } from './run.ts'
export type { RunOptions, Runtime } from './runtime.ts'
export type { Column, DataType } from './schema.ts'
export { availableNow, every, once, type Trigger } from './trigger.ts'
