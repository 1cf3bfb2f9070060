/**
 * For tests of pipelines and connectors: pipelines in a test, what every connector promises as checks, and what stands in for services that exist on
 * the internet only.
 */
export {
  type Check,
  type RecordSourceSubject,
  recordSourceChecks,
  type SinkSubject,
  sinkChecks,
} from '../connectors/conformance.ts'
export type { FaultPoint } from '../engine/fault-points.ts'
export { EmulatedIndex, type EmulatedRecord } from './pinecone/emulated-index.ts'
export { type PineconeEmulator, type PineconeEmulatorOptions, startPineconeEmulator } from './pinecone/emulator.ts'
export {
  type AskedRequest,
  type FaultShares,
  type Faults,
  type Mishap,
  scriptedFaults,
  seededFaults,
} from './pinecone/faults.ts'
export type { IndexModel } from './pinecone/index-model.ts'
export {
  crash,
  endOfInput,
  type InputValue,
  type RecordItem,
  record,
  type ScriptEvent,
  type ScriptItem,
  type TableItems,
  type TestRecord,
  table,
} from './pipeline/script.ts'
export {
  type PipelineTest,
  type TestOptions,
  type TestRow,
  testPipeline,
} from './pipeline/test-pipeline.ts'
export type { TestInputs } from './pipeline/test-sources.ts'
