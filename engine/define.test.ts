import { expect, test } from 'vitest'
import type { SinkDescription, SourceDescription, Step } from './contracts.ts'
import { definePipeline } from './define.ts'
import { MillraceError } from './errors.ts'
import { planStages } from './stages.ts'

const topic: SourceDescription = { kind: 'kafka', shape: 'records', reads: 'topic:t', options: { topic: 't' } }
const table = (name: string): SourceDescription => ({
  kind: 'delta',
  shape: 'table',
  reads: `table:${name}`,
  options: { table: name },
})
const into = (name: string, inputs: SinkDescription['inputs'] = { rows: undefined }): SinkDescription => ({
  kind: 'delta',
  writes: `table:${name}`,
  inputs,
  options: {},
})
const columns = (id: string, more: Partial<Step> = {}): Step => ({
  id,
  kind: 'x',
  executor: 'columns',
  rejects: false,
  options: {},
  ...more,
})
const relational = (id: string, more: Partial<Step> = {}): Step => ({ ...columns(id, more), executor: 'relational' })

function problemsOf(work: () => unknown): readonly string[] {
  try {
    work()
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'DEFINITION_INVALID') return error.problems
    throw error
  }
  throw new Error('the definition was accepted')
}

test('every problem of a definition is told at once, each with its fix', () => {
  const problems = problemsOf(() =>
    definePipeline({
      name: 'Bad Name',
      source: topic,
      steps: [columns('a', { rejects: true }), columns('a', { from: ['nowhere'] }), relational('lost')],
      sink: into('out', { rows: 'b' }),
      limits: { maxRecords: 0 },
    }),
  )
  expect(problems).toEqual([
    'Bad Name: name: "Bad Name" must be lower case letters, digits, - or _, beginning with a letter',
    'Bad Name: limits.maxRecords: must be a whole number above 0',
    'Bad Name: step a: the id is used twice (ids key state, metrics and dead letters: choose another)',
    'Bad Name: step a: reads nowhere, which is no source and no earlier step (there are: source, a)',
    'Bad Name: sink table:out: input rows reads b, which is no step (there are: source, a, lost)',
    "Bad Name: deadLetters: step a can reject rows (add deadLetters: delta({ table: 'dead_letters/…', mode: 'append' }))",
    'Bad Name: step lost: no step and no sink reads it (name it in a from, or remove it)',
  ])
})

test('what makers of steps found wrong stands among the problems', () => {
  const faulty = columns('a', { problems: ['field id: no path', 'field x: no value'] })
  const problems = problemsOf(() =>
    definePipeline({ name: 'p', source: topic, steps: [faulty], sink: into('out', { rows: 'b' }) }),
  )
  expect(problems).toEqual([
    'p: step a: field id: no path',
    'p: step a: field x: no value',
    'p: sink table:out: input rows reads b, which is no step (there are: source, a)',
    'p: step a: no step and no sink reads it (name it in a from, or remove it)',
  ])
})

test('a sink may not write what the pipeline reads, nor twice the same', () => {
  const problems = problemsOf(() =>
    definePipeline({
      name: 'loop',
      source: table('a'),
      steps: [relational('s')],
      sink: into('a'),
      sinks: [into('b'), into('b')],
    }),
  )
  expect(problems).toEqual([
    'loop: sink table:b: two sinks of the pipeline write it (one position cannot serve both)',
    'loop: sink table:a: the pipeline also reads it, and would never end',
  ])
})

test('a list or a pattern of topics that holds what a sink writes is refused, dead letters included', () => {
  const reading = (reads: string) => ({ ...topic, reads })
  const writing = (name: string) => ({ ...into(name), writes: `topic:${name}` })
  const define = (reads: string) => () =>
    definePipeline({
      name: 'p',
      source: reading(reads),
      steps: [columns('a', { rejects: true })],
      sink: writing('orders.out'),
      deadLetters: writing('orders.bad'),
    })
  expect(problemsOf(define('topics:/orders\\..*/'))).toEqual([
    'p: sink topic:orders.bad: the pipeline also reads it, and would never end',
    'p: sink topic:orders.out: the pipeline also reads it, and would never end',
  ])
  expect(problemsOf(define('topics:x,orders.out'))).toEqual([
    'p: sink topic:orders.out: the pipeline also reads it, and would never end',
  ])
  expect(define('topics:/orders/')().name).toBe('p')
})

test('one topic or table in two sources is refused when it is defined', () => {
  const both = (left: string, right: string) => () =>
    definePipeline({
      name: 'p',
      sources: { left: { ...table('x'), reads: left }, right: { ...table('x'), reads: right } },
      steps: [relational('s', { from: ['left', 'right'] })],
      sink: into('out'),
    })
  const refusal = (what: string) => [
    `p: source right: reads ${what}, which source left reads as well (read it in one and let the steps of both start there)`,
  ]
  expect(problemsOf(both('table:a', 'table:a'))).toEqual(refusal('table:a'))
  expect(problemsOf(both('topic:a', 'topics:b,a'))).toEqual(refusal('topic:a'))
  expect(problemsOf(both('topics:/a.*/', 'topic:ab'))).toEqual(refusal('topic:ab'))
  expect(both('topic:a', 'topic:b')().name).toBe('p')
})

test('the fingerprint follows the meaning, not the order of keys, the trigger or the limits', () => {
  const base = { name: 'p', source: topic, steps: [columns('a', { options: { x: 1, y: 2 } })], sink: into('out') }
  const same = definePipeline({
    ...base,
    steps: [columns('a', { options: { y: 2, x: 1 } })],
    limits: { maxRecords: 5 },
  })
  const other = definePipeline({ ...base, steps: [columns('a', { options: { x: 1, y: 3 } })] })
  const { fingerprint } = definePipeline(base)
  expect(same.fingerprint).toBe(fingerprint)
  expect(other.fingerprint).not.toBe(fingerprint)
})

test('the fingerprint stays when the checkout moves, and follows the name of a module', () => {
  const withModule = (module: string) =>
    definePipeline({ name: 'p', source: topic, steps: [columns('a', { options: { module } })], sink: into('out') })
      .fingerprint
  expect(withModule('file:///elsewhere/embed.ts')).toBe(withModule('file:///here/embed.ts'))
  expect(withModule('file:///here/other.ts')).not.toBe(withModule('file:///here/embed.ts'))
})

test('dead letters are committed first and the primary sink last', () => {
  const pipeline = definePipeline({
    name: 'p',
    source: topic,
    steps: [columns('a', { rejects: true })],
    sink: into('primary'),
    sinks: [into('second')],
    deadLetters: into('dead'),
  })
  expect(pipeline.sinks.map((sink) => sink.writes)).toEqual(['table:dead', 'table:second', 'table:primary'])
})

test('neighbouring steps of one executor become one stage, joined by files where the executor changes', () => {
  const pipeline = definePipeline({
    name: 'p',
    source: topic,
    steps: [
      columns('parse', { rejects: true }),
      columns('tidy'),
      relational('left', { from: ['tidy'] }),
      relational('right', { from: ['tidy'], rejects: true }),
      relational('both', { from: ['left', 'right'] }),
      columns('embed'),
    ],
    sink: into('out'),
    sinks: [into('side', { rows: 'left' })],
    deadLetters: into('dead'),
  })
  expect(
    planStages(pipeline).map(({ executor, steps, inputs, outputs }) => [
      executor,
      steps.map((s) => s.id),
      inputs,
      outputs.map((o) => `${o.step}:${o.fork}`),
    ]),
  ).toEqual([
    ['columns', ['parse', 'tidy'], ['source'], ['tidy:valid', 'parse:rejected']],
    ['relational', ['left', 'right', 'both'], ['tidy'], ['left:valid', 'both:valid', 'right:rejected']],
    ['columns', ['embed'], ['both'], ['embed:valid']],
  ])
})

test('records that only a relational step reads are turned into files by a stage without steps', () => {
  const pipeline = definePipeline({ name: 'p', source: topic, steps: [relational('s')], sink: into('out') })
  expect(planStages(pipeline).map(({ id, executor, inputs }) => [id, executor, inputs])).toEqual([
    ['source', 'columns', ['source']],
    ['s', 'relational', ['source']],
  ])
})
