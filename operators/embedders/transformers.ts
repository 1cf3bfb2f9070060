/** An embedder that runs a sentence-embedding model of a local folder in this process. Nothing is ever downloaded. */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Embedder } from '../../engine/embedder.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { modelFiles, prefixesIn, type TransformersSettings } from './settings.ts'

const packageName = '@huggingface/transformers'
/** The version that this file was written for. */
const packageVersion = '4.3.0'

/** What is known of a model without running it. */
export interface TransformersModel {
  readonly dimension: number
  /** How the vectors of a text's tokens become one. */
  readonly pooling: 'mean' | 'cls'
  /** Of weights and tokenizer: other ones give other vectors. */
  readonly fingerprint: string
}

/**
 * Looks at the files of a model, and whether there is something to run it with. `CONFIG_INVALID`, one line a problem, for a folder, a
 * model, weights or a package that is not there, and for another dimension than the configured one.
 */
export function examineModel(settings: TransformersSettings): TransformersModel {
  const problems: string[] = []
  const folder = join(settings.modelPath, settings.modelId)
  const weights = join(folder, 'onnx', modelFiles[settings.dtype])
  const tokenizer = join(folder, 'tokenizer.json')
  let dimension: number | null = null
  if (!existsSync(settings.modelPath)) problems.push(`EMBEDDING_MODEL_PATH: folder not found: ${settings.modelPath}`)
  else if (!existsSync(join(folder, 'config.json')))
    problems.push(`EMBEDDING_MODEL_ID: no model there: ${folder} has no config.json`)
  else {
    dimension = dimensionOf(join(folder, 'config.json'))
    if (dimension === null) problems.push(`EMBEDDING_MODEL_ID: ${folder}/config.json names no hidden_size`)
    if (!existsSync(tokenizer)) problems.push(`EMBEDDING_MODEL_ID: ${folder} has no tokenizer.json`)
    if (!existsSync(weights)) problems.push(`EMBEDDING_DTYPE: no weights of ${settings.dtype}: ${weights} is not there`)
  }
  if (dimension !== null && settings.dimension !== null && settings.dimension !== dimension)
    problems.push(`EMBEDDING_DIMENSION: ${settings.modelId} gives ${dimension} dimensions, not ${settings.dimension}`)
  if (findLibrary(settings) === null) problems.push(missingLibrary(settings))
  if (problems.length > 0) throw new MillraceError('CONFIG_INVALID', problems.join('\n'), { problems })
  return { dimension: dimension!, pooling: poolingOf(folder), fingerprint: fingerprintOf([weights, tokenizer]) }
}

/** Of the bytes of files, which may be larger than what can be in memory at once. */
function fingerprintOf(paths: readonly string[]): string {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(2 ** 20)
  for (const path of paths) {
    const file = openSync(path, 'r')
    try {
      for (let bytes = readSync(file, buffer); bytes > 0; bytes = readSync(file, buffer))
        hash.update(buffer.subarray(0, bytes))
    } finally {
      closeSync(file)
    }
  }
  return hash.digest('hex').slice(0, 12)
}

/**
 * The model is loaded by the first text. One text at a time, on one core: batches are no faster, and other threads have texts of
 * their own. What a text has beyond the model's longest is cut off by its tokenizer. Vectors have length 1.
 */
export function transformersEmbedder(settings: TransformersSettings, model: TransformersModel): Embedder {
  let extract: Promise<Extract> | null = null
  const vectorOf = async (text: string): Promise<Float32Array> => {
    extract ??= loadModel(settings)
    const { data } = await (await extract)([text], { pooling: model.pooling, normalize: true })
    return Float32Array.from(data)
  }
  const pooling = model.pooling === 'mean' ? '' : `:${model.pooling}`
  return {
    id: `transformers:${settings.modelId}@${model.fingerprint}:${settings.dtype}${pooling}:${model.dimension}${prefixesIn(settings)}`,
    dimension: model.dimension,
    costly: true,
    async embed(texts, { signal, onVectors } = {}) {
      const vectors: Float32Array[] = []
      for (const [place, text] of texts.entries()) {
        signal?.throwIfAborted()
        const vector = await vectorOf(settings.textPrefix + text)
        vectors.push(vector)
        onVectors?.({ places: [place], vectors: [vector], cached: false })
      }
      return vectors
    },
    embedQuery: (text) => vectorOf(settings.queryPrefix + text),
  }
}

/** The part of the package that is used. */
interface Library {
  readonly env: { allowRemoteModels: boolean; allowLocalModels: boolean; localModelPath: string }
  pipeline(
    task: 'feature-extraction',
    model: string,
    options: { readonly dtype: string; readonly session_options: { readonly intraOpNumThreads: number } },
  ): Promise<Extract>
}

type Extract = (
  texts: readonly string[],
  options: { readonly pooling: 'mean' | 'cls'; readonly normalize: boolean },
) => Promise<{ readonly data: ArrayLike<number> }>

async function loadModel(settings: TransformersSettings): Promise<Extract> {
  const entry = findLibrary(settings)
  if (entry === null) throw new MillraceError('CONFIG_INVALID', missingLibrary(settings))
  try {
    const loaded = (await import(pathToFileURL(entry).href)) as Library & { readonly default?: Library }
    const { env, pipeline } = loaded.pipeline === undefined ? loaded.default! : loaded
    env.allowRemoteModels = false
    env.allowLocalModels = true
    env.localModelPath = resolve(settings.modelPath)
    const { modelId, dtype } = settings
    return await pipeline('feature-extraction', modelId, { dtype, session_options: { intraOpNumThreads: 1 } })
  } catch (cause) {
    const model = join(settings.modelPath, settings.modelId)
    throw new MillraceError('MODEL_FAILED', `model ${model} cannot be loaded: ${messageOf(cause)}`, { cause })
  }
}

/** The module to load: of the configured folder, else of this project's packages, else of the working directory's. */
function findLibrary({ library }: TransformersSettings): string | null {
  const from = library === null ? [import.meta.filename, join(process.cwd(), 'x.js')] : [join(library, 'package.json')]
  for (const place of from)
    try {
      return createRequire(resolve(place)).resolve(packageName)
    } catch {
      // then the next place
    }
  return null
}

function missingLibrary({ library }: TransformersSettings): string {
  const install = `npm install --no-save --ignore-scripts ${packageName}@${packageVersion}`
  if (library !== null) return `MILLRACE_TRANSFORMERS: not the folder of ${packageName}: ${library}`
  return `MILLRACE_EMBEDDER: transformers needs the package ${packageName}, which is not installed (${install}; 470 MB; or name its folder in MILLRACE_TRANSFORMERS)`
}

function dimensionOf(path: string): number | null {
  const config = readJson(path) as { hidden_size?: unknown; dim?: unknown } | null
  const size = config?.hidden_size ?? config?.dim
  return typeof size === 'number' && Number.isSafeInteger(size) && size > 0 ? size : null
}

/** What the model's authors say, in the layout of sentence-transformers; the mean where they say nothing. */
function poolingOf(folder: string): 'mean' | 'cls' {
  const said = readJson(join(folder, '1_Pooling', 'config.json')) as { pooling_mode_cls_token?: unknown } | null
  return said?.pooling_mode_cls_token === true ? 'cls' : 'mean'
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown
  } catch {
    return null
  }
}
