import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { MillraceError } from '../../engine/errors.ts'
import type { TransformersSettings } from './settings.ts'
import { examineModel, transformersEmbedder } from './transformers.ts'

const modelPath = process.env.MILLRACE_TEST_EMBEDDING_MODEL_PATH ?? ''
const modelId = process.env.MILLRACE_TEST_EMBEDDING_MODEL_ID ?? ''
const library = process.env.MILLRACE_TEST_TRANSFORMERS ?? ''

const dir = mkdtempSync(join(tmpdir(), 'millrace-transformers-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function settings(more: Partial<TransformersSettings> = {}): TransformersSettings {
  const none = { textPrefix: '', queryPrefix: '', dimension: null, cacheBytes: 0 }
  return { kind: 'transformers', modelPath, modelId, dtype: 'q8', library, ...none, ...more }
}

function problemsOf(more: Partial<TransformersSettings>): readonly string[] {
  try {
    examineModel(settings(more))
  } catch (error) {
    expect((error as MillraceError).code).toBe('CONFIG_INVALID')
    return (error as MillraceError).problems
  }
  return []
}

test('everything that is missing is told at once, by the setting that names it', () => {
  const library = join(dir, 'nothing')
  expect(problemsOf({ modelPath: join(dir, 'none'), modelId: 'm', library })).toEqual([
    `EMBEDDING_MODEL_PATH: folder not found: ${join(dir, 'none')}`,
    `MILLRACE_TRANSFORMERS: not the folder of @huggingface/transformers: ${library}`,
  ])
  expect(problemsOf({ modelPath: dir, modelId: 'm', library })[0]).toBe(
    `EMBEDDING_MODEL_ID: no model there: ${join(dir, 'm')} has no config.json`,
  )
  mkdirSync(join(dir, 'half'))
  writeFileSync(join(dir, 'half/config.json'), '{"hidden_size":384}')
  expect(problemsOf({ modelPath: dir, modelId: 'half', library, dimension: 768, dtype: 'fp16' })).toEqual([
    `EMBEDDING_MODEL_ID: ${join(dir, 'half')} has no tokenizer.json`,
    `EMBEDDING_DTYPE: no weights of fp16: ${join(dir, 'half/onnx/model_fp16.onnx')} is not there`,
    'EMBEDDING_DIMENSION: half gives 384 dimensions, not 768',
    `MILLRACE_TRANSFORMERS: not the folder of @huggingface/transformers: ${library}`,
  ])
})

test('a package that is not installed is told with how to install it', () => {
  expect(problemsOf({ modelPath: dir, modelId: 'half', library: null }).at(-1)).toMatch(
    /^MILLRACE_EMBEDDER: transformers needs .*npm install --no-save --ignore-scripts @huggingface\/transformers@\d/,
  )
})

describe.skipIf(modelPath === '' || modelId === '' || library === '')('with a model on this machine', () => {
  const model = () => examineModel(settings())

  test('vectors have length 1, the same bits every time, and say what texts are about', async () => {
    const embedder = transformersEmbedder(settings(), model())
    const texts = ['A thief robs a bank with his crew.', 'Gangsters plan a heist.', 'An astronaut is alone on Mars.']
    const vectors = await embedder.embed(texts)
    expect(vectors.map(({ length }) => length)).toEqual([384, 384, 384])
    const [thief, heist, mars] = vectors as [Float32Array, Float32Array, Float32Array]
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
    for (const vector of vectors) expect(dot(vector, vector)).toBeCloseTo(1, 4)
    expect(dot(thief, heist)).toBeGreaterThan(dot(thief, mars) + 0.1)
    expect(await embedder.embed(texts.toReversed())).toEqual(vectors.toReversed())
    expect(await embedder.embedQuery(texts[0]!)).toEqual(thief)
  })

  test('a text longer than the model reads is cut, and a text of nothing has a vector', async () => {
    const embedder = transformersEmbedder(settings(), model())
    const long = 'a thief and a detective meet again '.repeat(400)
    const [whole, more, empty] = await embedder.embed([long, `${long} on Mars`, ''])
    expect(more).toEqual(whole)
    expect(empty).toHaveLength(384)
  })

  test('vectors are told of one by one, and an abort ends the call between two', async () => {
    const abort = new AbortController()
    const told: number[] = []
    const call = transformersEmbedder(settings(), model()).embed(['a', 'b', 'c'], {
      signal: abort.signal,
      onVectors({ places }) {
        told.push(...places)
        if (told.length === 2) abort.abort(new Error('stopped'))
      },
    })
    await expect(call).rejects.toThrow('stopped')
    expect(told).toEqual([0, 1])
  })

  test('the id tells models, prefixes and weights apart', () => {
    const id = (more: Partial<TransformersSettings>) => transformersEmbedder(settings(more), model()).id
    expect(id({})).toMatch(/^transformers:.*@[0-9a-f]{12}:q8:384$/)
    const others = [id({}), id({ textPrefix: 'passage: ' }), id({ queryPrefix: 'passage: ' }), id({ dtype: 'fp32' })]
    expect(new Set(others).size).toBe(4)
  })
})
