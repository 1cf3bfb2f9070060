/** The settings that say which embedder `default` means, and how its model is reached. */
import {
  type Dtype,
  type EmbedderSettings,
  type HttpEmbedderSettings,
  modelFiles,
  type TransformersSettings,
} from '../operators/embedders/settings.ts'
import { readKey, readServiceUrl, type Setting, whole } from './setting.ts'

const kinds = ['local', 'transformers', 'openai'] as const
type Kind = (typeof kinds)[number]
const dtypes = Object.keys(modelFiles) as Dtype[]
const defaultCacheBytes = 2 ** 30

/** Empty counts as not given. */
export const embedderSettings = {
  kind: { key: 'embedder', variable: 'MILLRACE_EMBEDDER', fallback: 'local' as Kind, read: oneOf(kinds, 'local') },
  modelPath: { key: 'embeddingModelPath', variable: 'EMBEDDING_MODEL_PATH', fallback: '', read: asIs },
  modelId: { key: 'embeddingModelId', variable: 'EMBEDDING_MODEL_ID', fallback: '', read: asIs },
  dtype: { key: 'embeddingDtype', variable: 'EMBEDDING_DTYPE', fallback: 'q8' as Dtype, read: oneOf(dtypes, 'q8') },
  library: { key: 'transformers', variable: 'MILLRACE_TRANSFORMERS', fallback: '', read: asIs },
  url: { key: 'embeddingUrl', variable: 'EMBEDDING_URL', fallback: '', read: readServiceUrl('EMBEDDING_API_KEY') },
  apiKey: { key: 'embeddingApiKey', variable: 'EMBEDDING_API_KEY', fallback: null, read: readKey },
  dimension: {
    key: 'embeddingDimension',
    variable: 'EMBEDDING_DIMENSION',
    fallback: null,
    read: (text: string) => (text === '' ? null : whole(1, 20_000)(text)),
  },
  textPrefix: { key: 'embeddingTextPrefix', variable: 'EMBEDDING_TEXT_PREFIX', fallback: '', read: asIs },
  queryPrefix: { key: 'embeddingQueryPrefix', variable: 'EMBEDDING_QUERY_PREFIX', fallback: '', read: asIs },
  cacheBytes: {
    key: 'embeddingCacheBytes',
    variable: 'EMBEDDING_CACHE_BYTES',
    fallback: defaultCacheBytes,
    read: whole(0, 2 ** 50),
  },
} satisfies { readonly [name: string]: Setting<unknown> }

/** What a model needs and was not given is added to the problems; settings of other embedders than the chosen one are left alone. */
export function readEmbedder(value: <T>(setting: Setting<T>) => T, problems: string[]): EmbedderSettings {
  const s = embedderSettings
  const kind = value<Kind>(s.kind)
  if (kind === 'local') return { kind }
  const given = (setting: Setting<string>): string => {
    const before = problems.length
    const text = value(setting)
    if (text === '' && problems.length === before)
      problems.push(`${setting.variable}: must be given for the embedder ${kind}`)
    return text
  }
  const model = {
    modelId: given(s.modelId),
    textPrefix: value<string>(s.textPrefix),
    queryPrefix: value<string>(s.queryPrefix),
    dimension: value(s.dimension as Setting<number | null>),
    cacheBytes: value<number>(s.cacheBytes),
  }
  if (kind === 'openai') {
    const apiKey = value(s.apiKey as Setting<string | null>)
    return { kind, ...model, url: given(s.url as Setting<string>), apiKey } satisfies HttpEmbedderSettings
  }
  const library = value<string>(s.library)
  return {
    kind,
    ...model,
    modelPath: given(s.modelPath),
    dtype: value<Dtype>(s.dtype),
    library: library === '' ? null : library,
  } satisfies TransformersSettings
}

function asIs(text: string): string {
  return text
}

function oneOf<T extends string>(values: readonly T[], fallback: T) {
  return (text: string): T | { readonly problem: string } => {
    if (text === '') return fallback
    return values.find((value) => value === text) ?? { problem: `must be one of ${values.join(', ')}` }
  }
}
