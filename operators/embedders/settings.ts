/** Which embedder is the default one, and how it is reached: plain data, so that it can be sent to a worker. */

/** A model, whatever runs it. */
interface ModelSettings {
  /** Put before texts that are stored; e5 models want `passage: `. */
  readonly textPrefix: string
  /** Put before questions; e5 models want `query: `. */
  readonly queryPrefix: string
  /** What the vectors must have; null: what the model gives. */
  readonly dimension: number | null
  /** Most that is kept of vectors, so that no text is embedded twice; 0 keeps none. */
  readonly cacheBytes: number
}

/** A model in a local folder, run in this process by `@huggingface/transformers`. */
export interface TransformersSettings extends ModelSettings {
  readonly kind: 'transformers'
  /** Folder that holds `<modelId>/config.json`. */
  readonly modelPath: string
  readonly modelId: string
  /** How the weights are kept: says which file is loaded. */
  readonly dtype: Dtype
  /** Folder of the package; null: found from here or from the working directory. */
  readonly library: string | null
}

/** A model behind an endpoint that speaks OpenAI's embeddings protocol. */
export interface HttpEmbedderSettings extends ModelSettings {
  readonly kind: 'openai'
  /** What comes before `/embeddings`. */
  readonly url: string
  readonly modelId: string
  /** A secret; null: none is sent. */
  readonly apiKey: string | null
}

/** The embedder that definitions mean by `default`. */
export type EmbedderSettings = { readonly kind: 'local' } | TransformersSettings | HttpEmbedderSettings

/** Weights by how their numbers are kept, and the file that has them. */
export const modelFiles = {
  fp32: 'model.onnx',
  fp16: 'model_fp16.onnx',
  q8: 'model_quantized.onnx',
  int8: 'model_int8.onnx',
  uint8: 'model_uint8.onnx',
  q4: 'model_q4.onnx',
  q4f16: 'model_q4f16.onnx',
} as const

/** A key of {@link modelFiles}. */
export type Dtype = keyof typeof modelFiles

/** What the id of an embedder says of its prefixes; nothing where there are none. */
export function prefixesIn({ textPrefix, queryPrefix }: ModelSettings): string {
  return textPrefix === '' && queryPrefix === '' ? '' : `:${JSON.stringify([textPrefix, queryPrefix])}`
}
