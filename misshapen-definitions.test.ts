/** Whatever a definition is written with, it is valid or refused with a line for each problem. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as connectors from './connectors/index.ts'
import type { SinkDescription, SourceDescription, Step } from './engine/contracts.ts'
import { definePipeline, type PipelineSpec } from './engine/define.ts'
import { MillraceError } from './engine/errors.ts'
import * as operators from './operators/index.ts'

const seed = Number(process.env.MILLRACE_SEED ?? Date.now() % 1_000_000)
const runs = { seed, numRuns: 400, verbose: 1 } as const

const cyclic: { self?: unknown; list: unknown[] } = { list: [] }
cyclic.self = cyclic
cyclic.list.push(cyclic.list)
const throwing = new Proxy(
  {},
  {
    get: () => {
      throw new Error('no')
    },
    ownKeys: () => {
      throw new Error('no')
    },
    getPrototypeOf: () => {
      throw new Error('no')
    },
  },
)
const revoked = Proxy.revocable({}, {})
revoked.revoke()
const badGetter = Object.defineProperty({}, 'table', {
  enumerable: true,
  get: () => {
    throw new Error('no')
  },
})
const unprintable = { toString: 1, toJSON: () => cyclic, valueOf: null }
let deep: unknown = 1
for (let i = 0; i < 5000; i += 1) deep = [deep]

/** Values that no option is, by names that stand for them: fast-check itself does not bear all of them. */
const strange: ReadonlyMap<string, unknown> = new Map(
  Object.entries({
    nothing: undefined,
    null: null,
    zero: 0,
    less: -1,
    fraction: 1.5,
    nan: Number.NaN,
    big: 10n,
    empty: '',
    half: '\ud800',
    above: '../x',
    injected: 'a;--',
    proto: '__proto__',
    constructed: 'constructor',
    true: true,
    list: [],
    object: {},
    ofNull: [null],
    sparse: new Array(3),
    endless: new Array(4_294_967_295),
    symbol: Symbol('x'),
    function: () => 1,
    map: new Map([[1, 2]]),
    date: new Date(0),
    bare: Object.create(null),
    prototype: JSON.parse('{"__proto__": {"kind": "x"}, "constructor": 1}'),
    cyclic,
    throwing,
    revoked: revoked.proxy,
    badGetter,
    unprintable,
    deep,
  }).map(([name, value]) => [`<${name}>`, value]),
)

/** The same with the values for which names stand. */
function realised(value: unknown): unknown {
  if (typeof value === 'string') return strange.has(value) ? strange.get(value) : value
  if (Array.isArray(value)) return value.map(realised)
  const isPlain = typeof value === 'object' && value !== null && !(value instanceof URL)
  return isPlain ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, realised(part)])) : value
}

const words = [
  'table',
  'mode',
  'append',
  'merge',
  'key',
  'newer',
  'from',
  'topic',
  'topics',
  'pattern',
  'startFrom',
  'onDataLoss',
  'columns',
  'name',
  'type',
  'tables',
  'owners',
  'nodes',
  'relationships',
  'properties',
  'owner',
  'views',
  'sql',
  'upserts',
  'namespace',
  'embedder',
  'rules',
  'onViolation',
  'op',
  'column',
  'path',
  'list',
  'as',
  'keep',
  'id',
  'kind',
  'source',
  'sources',
  'steps',
  'sink',
  'sinks',
  'deadLetters',
  'limits',
  'trigger',
  'options',
  'inputs',
  'writes',
  'reads',
  'executor',
  'shape',
]

const some = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(...strange.keys()),
    fc.constantFrom<unknown>(...words),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...words, '__proto__', 'constructor', 'toString'), tie('value'), { maxKeys: 5 }),
  ),
})).value

/** What is right, with a part of it replaced by something else. */
function spoiled(right: unknown): fc.Arbitrary<unknown> {
  if (typeof right !== 'object' || right === null) return fc.oneof(some, fc.constant(right))
  const keys = Object.keys(right)
  if (keys.length === 0) return some
  return fc.oneof(
    { weight: 1, arbitrary: some },
    {
      weight: 6,
      arbitrary: fc.constantFrom(...keys).chain((key) =>
        spoiled((right as Record<string, unknown>)[key]).map((value) => {
          const copy = Array.isArray(right) ? [...right] : { ...right }
          ;(copy as Record<string, unknown>)[key] = value
          return copy
        }),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom(...words), some).map(([key, value]) => ({ ...right, [key]: value })),
    },
  )
}

/** The lines that a definition is refused with; none if it is valid. Everything else that is thrown is a fault of ours. */
function refusalOf(define: () => unknown): readonly string[] {
  try {
    define()
    return []
  } catch (error) {
    expect(error).toBeInstanceOf(MillraceError)
    const { code, problems, message } = error as MillraceError
    expect(code).toBe('DEFINITION_INVALID')
    const lines = problems.length === 0 ? [message] : problems
    for (const line of lines) expect(line).not.toMatch(/\n|Cannot read|is not a function|is not iterable|undefined/)
    return lines
  }
}

const right: PipelineSpec = {
  name: 'p',
  source: connectors.kafka({ topic: 't' }),
  steps: [operators.select('s', { id: operators.col('offset') })],
  sink: connectors.delta({ table: 'a', mode: 'append' }),
}
const loose = <Given extends readonly unknown[], Made>(make: (...given: never) => Made) =>
  make as unknown as (...given: Given) => Made
const asSource = (source: unknown) => definePipeline({ ...right, source: source as SourceDescription })
const asSink = (sink: unknown) => definePipeline({ ...right, sink: sink as SinkDescription })
const asStep = (step: unknown) => definePipeline({ ...right, steps: [step as Step] })

const { col, eq, lit } = operators
const examples: Readonly<Record<string, readonly unknown[]>> = {
  select: ['s', { id: col('offset') }, { from: 'source' }],
  derive: ['s', { id: eq(col('offset'), 1) }, { from: ['source'] }],
  drop: ['s', ['key'], { from: 'source' }],
  filter: ['s', eq(col('offset'), lit(1)), { from: 'source' }],
  expect: [
    's',
    { a: eq(col('offset'), 1), b: { holds: eq(col('offset'), 1), found: lit('x') } },
    { onViolation: 'drop' },
  ],
  flatten: ['s', { list: 'headers', as: 'h', keep: { o: col('offset') }, position: 'n' }, { from: 'source' }],
  latestByKey: ['s', { key: ['key'], order: ['offset'] }, { from: 'source' }],
  netChanges: ['s', { key: ['id'] }, { from: 'source' }],
  union: ['s', ['source']],
  sql: ['s', 'SELECT * FROM batch', { from: 'source' }],
  trackChanges: ['s', { hash: operators.textFingerprint(col('offset')) }],
  embed: ['s', { text: 'value', into: 'v', embedder: 'local', from: 'source' }],
  mapBatches: ['s', new URL('file:///x.ts'), { from: 'source', options: { a: [1] } }],
  parse: [
    's',
    {
      from: 'value',
      path: '$.doc',
      columns: { a: 'long', b: { kind: 'array', element: 'string' } },
      onInvalid: { a: 'null' },
      keep: ['key'],
      tombstone: 'nulls',
    },
  ],
  parseCritical: [
    's',
    { id: operators.int64('$.id'), at: operators.timestamp('$.at', { unit: 's' }) },
    { from: 'source' },
  ],
}

describe(`seed ${seed}`, () => {
  const topics = { topics: ['a', 'b'], startFrom: { offsets: { 'a/0': 1 } }, onDataLoss: 'fail' }
  const merge = {
    table: 'a/b',
    mode: 'merge',
    key: ['id'],
    newer: ['n'],
    columns: [{ name: 'id', type: { kind: 'struct', fields: [{ name: 'x', type: 'long' }] } }],
    retention: '7d',
    check: { positive: 'n > 0' },
    whenMatched: [{ if: 'source.n > 1', then: 'update', set: { n: 'source.n' } }],
  }
  const graph = {
    nodes: { Movie: { from: 's', key: 'id', keyType: 'long', properties: { title: 'string' } } },
    owners: { from: 's', node: 'Movie', key: 'id' },
    relationships: {
      IN: { from: 's', fromNode: 'Movie', toNode: 'G', fromKey: 'id', toKey: 'g', key: 'k', properties: {} },
    },
    stubs: { G: { key: 'id', properties: { name: 'string' } } },
    considered: 's',
  }
  const olap = {
    tables: { t: { from: 's', key: ['id'], owner: { id: 'id' } } },
    owners: 's',
    views: { v: { sql: 'SELECT 1' } },
  }
  const vectors = { namespace: 'n', upserts: 's', deletes: 's', embedder: 'local' }
  test.each<[string, (...given: [unknown]) => unknown, unknown, (made: unknown) => unknown]>([
    ['kafka source', loose(connectors.kafka), topics, asSource],
    ['kafka sink', loose(connectors.kafka), { mode: 'append', topic: 'out', from: 's' }, asSink],
    ['delta source', loose(connectors.delta), { table: 'b', changeFeed: true }, asSource],
    ['delta sink', loose(connectors.delta), merge, asSink],
    ['delta overwrite', loose(connectors.delta), { table: 'b', mode: 'overwrite', replaceWhere: { y: 1 } }, asSink],
    ['graph', loose(connectors.graph), graph, asSink],
    ['olap', loose(connectors.olap), olap, asSink],
    ['olapChanges', loose(connectors.olapChanges), { table: 't', writtenBy: 'x' }, asSource],
    ['vectors', loose(connectors.vectors), vectors, asSink],
  ])('%s takes its options or refuses them by name', (_, make, options, use) => {
    expect(refusalOf(() => use(make(options)))).toEqual([])
    fc.assert(
      fc.property(spoiled(options), (given) => void refusalOf(() => use(make(realised(given))))),
      runs,
    )
  })

  test.each(Object.keys(examples))('%s makes a step, or one that is refused', (name) => {
    const make = loose<readonly unknown[], Step>((operators as unknown as Record<string, never>)[name]!)
    expect(make(...examples[name]!).problems ?? []).toEqual([])
    fc.assert(
      fc.property(spoiled(examples[name]), (given) => {
        const made = realised(given)
        const values = Array.isArray(given) ? (made as unknown[]) : [made]
        refusalOf(() => asStep(make(...values)))
      }),
      runs,
    )
  })

  const others = Object.keys(operators).filter(
    (name) => !(name in examples) && !['checkStage', 'explainStage', 'relationalExecutor'].includes(name),
  )
  test.each(others)('%s inside a step is an expression, a field or a type, or refused', (name) => {
    const make = loose<readonly unknown[], unknown>((operators as unknown as Record<string, never>)[name]!)
    const given = fc.array(fc.oneof(some, fc.constant(col('offset'))), { maxLength: 3 })
    fc.assert(
      fc.property(given, (given) => {
        const values = given.map(realised)
        const use = (made: unknown) => {
          asStep(loose<[string, unknown], Step>(operators.select)('s', { made }))
        }
        refusalOf(() => use(make(...values)))
        refusalOf(() => asStep(loose<[string, unknown], Step>(operators.parseCritical)('s', { made: make(...values) })))
      }),
      runs,
    )
  })

  test('a pipeline is defined or refused, whatever its parts are', () => {
    const whole = { ...right, sinks: [connectors.delta({ table: 'b', mode: 'append' })], limits: { maxRecords: 1 } }
    fc.assert(
      fc.property(spoiled(whole), (spec) => void refusalOf(() => definePipeline(realised(spec) as PipelineSpec))),
      { ...runs, numRuns: 2000 },
    )
  })
})

test('all that is wrong with all parts of a pipeline is said at once', () => {
  const lines = refusalOf(() =>
    definePipeline({
      name: 'p',
      source: loose<[unknown], SourceDescription>(connectors.kafka)({ topic: '../x', startfrom: 'latest' }),
      steps: [loose<[string, unknown, unknown], Step>(operators.filter)('f', 7, { form: 'source' })],
      sink: loose<[unknown], SinkDescription>(connectors.delta)({
        table: 'x/_delta_log',
        mode: 'merge',
        key: [],
        newr: [],
      }),
      limits: { maxRecords: -1 },
    }),
  )
  expect(lines).toEqual([
    'p: limits.maxRecords: must be a whole number above 0',
    expect.stringMatching(/^p: source source: kafka: topic: must be the name of a topic .*, not "\.\.\/x"$/),
    expect.stringMatching(/^p: source source: kafka: startfrom: is unknown \(there are: startFrom, /),
    'p: step f: must be an expression (col, lit, eq, …), not 7',
    'p: step f: form: is unknown (there are: from)',
    expect.stringMatching(/^p: sink: delta: table: must be the path of a table .*, not "x\/_delta_log"$/),
    'p: sink: delta: key: must be a list of at least 1, not []',
    'p: sink: delta: newer: is missing (it must be a list of at least 1)',
    expect.stringMatching(/^p: sink: delta: newr: is unknown \(there are: newer, key, /),
  ])
})
