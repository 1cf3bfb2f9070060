/** Which project, and which index in it. */
export interface PineconeSettings {
  readonly apiKey: string
  /** Made when it is missing. */
  readonly index: string
  /** Another control plane than Pinecone's own: an emulator, a proxy. */
  readonly controllerHost: string | null
  /** Where an index that is missing is made. */
  readonly cloud: string
  readonly region: string
}
