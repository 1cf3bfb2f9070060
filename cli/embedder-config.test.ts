import { expect, test } from 'vitest'
import type { MillraceError } from '../engine/errors.ts'
import { readConfig } from './config.ts'

function problemsOf(env: Readonly<Record<string, string>>): readonly string[] {
  try {
    readConfig({ env })
  } catch (error) {
    return (error as MillraceError).problems
  }
  return []
}

test('without settings the embedder is the one that needs no model, and nobody answers', () => {
  expect(readConfig({ env: {} })).toMatchObject({ embedder: { kind: 'local' }, chat: null })
  const left = { EMBEDDING_MODEL_PATH: '/models', EMBEDDING_MODEL_ID: 'm', EMBEDDING_DIMENSION: '384' }
  expect(readConfig({ env: left }).embedder).toEqual({ kind: 'local' })
})

test('a model in a folder, and a model behind an endpoint', () => {
  const folder = { MILLRACE_EMBEDDER: 'transformers', EMBEDDING_MODEL_PATH: '/models', EMBEDDING_MODEL_ID: 'org/m' }
  expect(readConfig({ env: folder }).embedder).toEqual({
    kind: 'transformers',
    modelPath: '/models',
    modelId: 'org/m',
    dtype: 'q8',
    library: null,
    textPrefix: '',
    queryPrefix: '',
    dimension: null,
    cacheBytes: 2 ** 30,
  })
  const endpoint = {
    MILLRACE_EMBEDDER: 'openai',
    EMBEDDING_URL: 'https://example.org/v1/',
    EMBEDDING_MODEL_ID: 'e5',
    EMBEDDING_API_KEY: ' sk-1\n',
    EMBEDDING_DIMENSION: '256',
    EMBEDDING_TEXT_PREFIX: 'passage: ',
    EMBEDDING_QUERY_PREFIX: 'query: ',
    EMBEDDING_CACHE_BYTES: '0',
  }
  expect(readConfig({ env: endpoint }).embedder).toEqual({
    kind: 'openai',
    url: 'https://example.org/v1',
    modelId: 'e5',
    apiKey: 'sk-1',
    textPrefix: 'passage: ',
    queryPrefix: 'query: ',
    dimension: 256,
    cacheBytes: 0,
  })
})

test('every wrong or missing setting is told at once, and no secret with it', () => {
  const env = {
    MILLRACE_EMBEDDER: 'openai',
    EMBEDDING_URL: 'https://user:hunter2@example.org',
    EMBEDDING_API_KEY: 'sk hunter2',
    EMBEDDING_DIMENSION: 'many',
    MILLRACE_CHAT_URL: 'ftp://example.org',
    MILLRACE_CHAT_API_KEY: 'hunter2\nhunter2',
  }
  const problems = problemsOf(env)
  expect(problems.join('\n')).not.toContain('hunter2')
  expect(problems).toHaveLength(6)
  const named = problems.map((problem) => problem.split(':')[0])
  expect(named).toContain('EMBEDDING_MODEL_ID')
  for (const name of Object.keys(env).slice(1)) expect(named).toContain(name)
  expect(problemsOf({ MILLRACE_EMBEDDER: 'gpt' })).toEqual([
    'MILLRACE_EMBEDDER: must be one of local, transformers, openai, not "gpt"',
  ])
  expect(problemsOf({ MILLRACE_EMBEDDER: 'transformers', EMBEDDING_DTYPE: 'q3' })).toEqual([
    'EMBEDDING_MODEL_ID: must be given for the embedder transformers',
    'EMBEDDING_MODEL_PATH: must be given for the embedder transformers',
    'EMBEDDING_DTYPE: must be one of fp32, fp16, q8, int8, uint8, q4, q4f16, not "q3"',
  ])
  expect(problemsOf({ MILLRACE_CHAT_URL: 'http://127.0.0.1:1' })).toEqual([
    'MILLRACE_CHAT_MODEL: must be given with MILLRACE_CHAT_URL',
  ])
})
