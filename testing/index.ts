/** For tests of pipelines and connectors: what stands in for services that exist on the internet only. */
export { EmulatedIndex, type EmulatedRecord, type IndexModel } from './pinecone/emulated-index.ts'
export { type PineconeEmulator, type PineconeEmulatorOptions, startPineconeEmulator } from './pinecone/emulator.ts'
export { type AskedRequest, type FaultShares, type Faults, type Mishap, seededFaults } from './pinecone/faults.ts'
