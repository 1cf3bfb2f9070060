import fc from 'fast-check'
import { lastValueFrom, toArray } from 'rxjs'
import { afterEach, expect, test } from 'vitest'
import { planRecovery } from '../checkpoints/recovery.ts'
import type {
  AbsentInput,
  Clock,
  CommitOutcome,
  Executor,
  Position,
  Range,
  Sink,
  SinkCommit,
  SinkDescription,
  Source,
  SourceDescription,
  Step,
} from './contracts.ts'
import { definePipeline } from './define.ts'
import { MillraceError } from './errors.ts'
import type { PipelineEvent } from './events.ts'
import { type ArmedFault, armFault, faultPoint, faultPoints } from './fault-points.ts'
import { runPipeline } from './run.ts'
import type { Runtime } from './runtime.ts'
import { availableNow, every, type Trigger } from './trigger.ts'

afterEach(() => armFault(null))

const topic: SourceDescription = { kind: 'test', shape: 'records', reads: 'topic:t', options: {} }
const into = (name: string): SinkDescription => ({
  kind: 'test',
  writes: name,
  inputs: { rows: undefined },
  options: {},
})
const pass: Step = { id: 'pass', kind: 'pass', executor: 'columns', rejects: true, options: {} }

/** What outlives a crash: the source's end per partition, and what each sink has committed. */
interface World {
  readonly ends: Map<string, bigint>
  readonly committed: Map<string, Range[]>
  /** Called inside every commit, before it takes effect. */
  intrude?: (sink: string, commit: SinkCommit) => void
  /** Called whenever the source is asked for its end. */
  look?: () => void
  /** What the source names and does not find. */
  absent?: AbsentInput[]
  /** Whether the source passes over partitions that are gone. */
  passesOver?: boolean
  /** What the source says it is. */
  identity?: Position
  /** Of the definition that committed last. */
  fingerprint?: string
  nowMs: number
}

function world(ends: readonly [string, bigint][]): World {
  return { ends: new Map(ends), committed: new Map(), nowMs: 0 }
}

function sourceOf(state: World): Source {
  return {
    shape: 'records',
    start: async () => new Map([...state.ends.keys()].map((partition) => [partition, 0n])),
    identity: async () => state.identity ?? new Map(),
    absent: async () => state.absent ?? [],
    passesOver: () => state.passesOver ?? false,
    async latest() {
      state.look?.()
      return new Map(state.ends)
    },
    cut: async (range, limits) => ({ ...range, end: smaller(range.end, range.start + BigInt(limits.maxRecords)) }),
    count: async (range) => Number(range.end - range.start),
    commitOffsets: async () => {},
    close: async () => {},
  }
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)

function positionIn(state: World, sink: string): Position {
  return new Map((state.committed.get(sink) ?? []).map((range) => [range.sourcePartition, range.end]))
}

function sinkOf(state: World, name: string): Sink {
  return {
    name,
    delivery: 'exactly-once',
    position: async () => ({ position: positionIn(state, name), fingerprint: state.fingerprint ?? null }),
    async commit(commit): Promise<CommitOutcome> {
      faultPoint('sink-begin')
      state.intrude?.(name, commit)
      const position = positionIn(state, name)
      const fits = commit.ranges.every(
        (r) => (position.get(r.sourcePartition) ?? commit.initial.get(r.sourcePartition)) === r.start,
      )
      if (!fits) return { kind: 'fenced', position }
      state.committed.set(name, [...(state.committed.get(name) ?? []), ...commit.ranges])
      faultPoint('after-log-commit')
      return { kind: 'committed', written: {} }
    },
    close: async () => {},
  }
}

const executor: Executor = {
  async run({ inputs, stage }) {
    const [input] = inputs.values()
    if (input?.kind !== 'records') throw new Error('expected records')
    const rows = input.ranges.reduce((sum, range) => sum + Number(range.end - range.start), 0)
    faultPoint('file-written')
    return {
      outputs: new Map([[stage.outputs[0]!.step, [{ path: '', rows, sizeBytes: 0, columns: [], statistics: [] }]]]),
      columns: new Map(),
      ranges: input.ranges,
      rowsIn: rows,
      bytesIn: rows,
      violations: new Map(),
    }
  },
  close: async () => {},
}

function runtimeOf(state: World): Runtime {
  const clock: Clock = {
    nowMs: () => state.nowMs,
    sleep: async (ms) => {
      state.nowMs += ms
    },
  }
  return {
    openSource: async () => sourceOf(state),
    openSink: async (description) => sinkOf(state, description.writes),
    executors: { columns: executor, relational: executor },
    planRecovery,
    makeStaging: async () => '/nowhere',
    dropStaging: async () => {},
    clock,
    ids: { uuid: () => 'id', random: () => 0.5 },
    retry: { streamingMs: 1000, endingMs: 15, firstDelayMs: 10, maxDelayMs: 100 },
  }
}

function pipelineOf(trigger: Trigger, maxRecords: number) {
  return definePipeline({
    name: 'p',
    source: topic,
    steps: [pass],
    sink: into('primary'),
    sinks: [into('second')],
    deadLetters: into('dead'),
    trigger,
    limits: { maxRecords },
  })
}

function start(state: World, trigger: Trigger = availableNow(), maxRecords = 10, stop = new AbortController()) {
  return lastValueFrom(
    runPipeline(pipelineOf(trigger, maxRecords), runtimeOf(state), {
      stop: stop.signal,
      abandon: new AbortController().signal,
    }).pipe(toArray()),
  )
}

/** Ranges of each partition, in order of commit, follow each other from 0 to the end without gap or overlap. */
function expectTiled(state: World): void {
  for (const sink of ['dead', 'second', 'primary'])
    for (const [partition, end] of state.ends) {
      let next = 0n
      for (const range of state.committed.get(sink) ?? [])
        if (range.sourcePartition === partition) {
          expect(range.start).toBe(next)
          next = range.end
        }
      expect(next).toBe(end)
    }
}

test('everything that is there is read once by every sink, in batches of at most the limit', async () => {
  const state = world([
    ['t/0', 25n],
    ['t/1', 3n],
  ])
  const events = await start(state)
  expectTiled(state)
  const batches = events.filter((event) => event.type === 'committed')
  expect(batches.map((batch) => batch.rowsIn)).toEqual([10, 10, 8])
  expect(batches.at(-1)?.lagRecords).toBe(0)
  expect(events.at(-1)).toEqual({ type: 'stopped', pipeline: 'p', reason: 'end-of-input' })
})

test('a run with nothing new commits nothing', async () => {
  const state = world([['t/0', 5n]])
  await start(state)
  const events = await start(state)
  expect(events.map((event) => event.type)).toEqual(['stopped'])
})

test('whatever fails and wherever, each sink ends with every range exactly once', async () => {
  const seed = Date.now() % 2 ** 31
  console.log(`seed ${seed}`)
  const fault = fc.record({
    point: fc.constantFrom(...faultPoints),
    passage: fc.integer({ min: 1, max: 5 }),
    action: fc.constantFrom<ArmedFault['action']>('throw', 'crash'),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 9 }),
      async (faults, maxRecords) => {
        const state = world([
          ['t/0', 12n],
          ['t/1', 7n],
        ])
        for (const each of faults) {
          armFault(each)
          await start(state, availableNow(), maxRecords).catch((error: unknown) => {
            if (!(error instanceof MillraceError) || error.code !== 'FAULT_INJECTED') throw error
          })
        }
        armFault(null)
        await start(state, availableNow(), maxRecords)
        expectTiled(state)
      },
    ),
    { seed, numRuns: 200 },
  )
})

test('a second copy that commits in between fences the batch, which is dropped and read anew', async () => {
  const state = world([['t/0', 30n]])
  let intrusions = 0
  state.intrude = (sink, commit) => {
    if (intrusions >= 3 || sink !== 'dead') return
    intrusions += 1
    for (const each of ['dead', 'second', 'primary'])
      state.committed.set(each, [
        ...(state.committed.get(each) ?? []),
        ...commit.ranges.map((r) => ({ ...r, end: r.start + 2n })),
      ])
  }
  const events = await start(state)
  expectTiled(state)
  expect(events.filter((event) => event.type === 'fenced')).toHaveLength(3)
})

test('what is retryable is retried for as long as patience lasts, then the run stops and says how often it tried', async () => {
  const state = world([['t/0', 5n]])
  state.intrude = () => {
    throw new MillraceError('STORAGE_FAILED', 'disk full: /lake (free some space)', { retryable: true })
  }
  const events: PipelineEvent[] = []
  const failed = await new Promise((resolve) => {
    runPipeline(pipelineOf(availableNow(), 10), runtimeOf(state), {
      stop: new AbortController().signal,
      abandon: new AbortController().signal,
    }).subscribe({ next: (event) => events.push(event), error: resolve, complete: () => resolve(null) })
  })
  expect(failed).toMatchObject({
    code: 'STORAGE_FAILED',
    message: 'disk full: /lake (free some space) (gave up after 3 tries in 15 ms)',
  })
  expect(events.map((event) => event.type)).toEqual([
    'planned',
    'retried',
    'planned',
    'retried',
    'planned',
    'failed',
    'stopped',
  ])
  expect(state.nowMs).toBe(5 + 10)
})

test('a stop lets the running batch end', async () => {
  const state = world([['t/0', 100n]])
  const stop = new AbortController()
  state.intrude = (sink) => {
    if (sink === 'second') stop.abort()
  }
  const events = await start(state, availableNow(), 10, stop)
  expect(state.committed.get('primary')).toEqual([{ sourcePartition: 't/0', start: 0n, end: 10n }])
  expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'stop-requested' })
})

test('an interval passes between batches, unless a full batch is waiting', async () => {
  const state = world([['t/0', 25n]])
  const stop = new AbortController()
  const times: number[] = []
  state.intrude = (sink) => {
    if (sink !== 'primary') return
    times.push(state.nowMs)
    if (times.length === 3) state.ends.set('t/0', 27n)
    if (times.length === 4) stop.abort()
  }
  await start(state, every({ seconds: 5 }), 10, stop)
  expect(times).toEqual([0, 0, 5000, 10_000])
})

test('a source that is away while the next batch is waited for is waited for too', async () => {
  const state = world([['t/0', 5n]])
  const stop = new AbortController()
  let batches = 0
  let looks = 0
  state.intrude = (sink) => {
    if (sink === 'primary') batches += 1
    if (batches === 2) stop.abort()
  }
  state.look = () => {
    if (batches === 1) looks += 1
    if (looks !== 1 && looks !== 2) return
    state.ends.set('t/0', 9n)
    throw new MillraceError('KAFKA_UNREACHABLE', 'away', { retryable: true })
  }
  const events = await start(state, every({ seconds: 1 }), 10, stop)
  expectTiled(state)
  expect(events.filter((event) => event.type === 'retried')).toHaveLength(2)
})

test('a source that is replaced under a running stream is refused at its next turn', async () => {
  const state = world([['t/0', 5n]])
  state.identity = new Map([['t/id', 1n]])
  state.intrude = (sink) => {
    if (sink !== 'primary') return
    state.identity = new Map([['t/id', 2n]])
    state.ends.set('t/0', 50n)
  }
  await expect(start(state, every({ seconds: 1 }))).rejects.toMatchObject({
    code: 'SOURCE_RANGE_LOST',
    message: expect.stringContaining('t has been deleted and created again'),
  })
  expect(positionIn(state, 'primary').get('t/0')).toBe(5n)
})

test('a source that ends before what was read of it is refused by name, and nothing is read', async () => {
  const state = world([['t/0', 25n]])
  await start(state)
  state.ends.set('t/0', 7n)
  await expect(start(state)).rejects.toMatchObject({
    code: 'SOURCE_RANGE_LOST',
    message: expect.stringContaining('t/0 ends at 7 and was read up to 25'),
  })
  expect(positionIn(state, 'primary')).toEqual(new Map([['t/0', 25n]]))
})

test('a partition that is gone is refused, unless the definition changed and may have given up its source', async () => {
  const state = world([['old/0', 5n]])
  await start(state)
  state.ends.delete('old/0')
  state.ends.set('new/0', 9n)
  state.fingerprint = pipelineOf(availableNow(), 10).fingerprint
  await expect(start(state)).rejects.toMatchObject({
    code: 'SOURCE_RANGE_LOST',
    message: expect.stringContaining('old/0 is gone and was read up to 5'),
  })
  state.fingerprint = 'another'
  await start(state)
  expectTiled(state)
})

test('a partition that is gone is passed over where its source is configured so', async () => {
  const state = world([
    ['old/0', 5n],
    ['new/0', 1n],
  ])
  await start(state)
  state.ends.delete('old/0')
  state.ends.set('new/0', 9n)
  state.fingerprint = pipelineOf(availableNow(), 10).fingerprint
  await expect(start(state)).rejects.toMatchObject({
    message: expect.stringContaining(
      "(restore the topic, or set onDataLoss: 'continue' at its source to go on without it)",
    ),
  })
  state.passesOver = true
  await start(state)
  expect(positionIn(state, 'primary')).toEqual(
    new Map([
      ['old/0', 5n],
      ['new/0', 9n],
    ]),
  )
})

test('a source that is gone from a running stream is waited for, and read on once it is there again', async () => {
  const state = world([['t/0', 5n]])
  state.fingerprint = pipelineOf(every({ seconds: 1 }), 10).fingerprint
  state.identity = new Map([['t/id', 1n]])
  const stop = new AbortController()
  let tries = 0
  state.intrude = (sink) => {
    if (sink !== 'primary') return
    if (state.ends.get('t/0') === 9n) return stop.abort()
    state.identity = new Map()
    state.ends.delete('t/0')
  }
  state.look = () => {
    if (state.ends.size > 0) return
    tries += 1
    if (tries < 20) return
    state.identity = new Map([['t/id', 1n]])
    state.ends.set('t/0', 9n)
  }
  const events = await start(state, every({ seconds: 1 }), 10, stop)
  expect(events.some((event) => event.type === 'retried' && event.error.code === 'SOURCE_RANGE_LOST')).toBe(true)
  expectTiled(state)
})

const typo: AbsentInput = { what: 'topic typo', optional: false, advice: 'create it' }
const lost: AbsentInput = { what: 'topic lost', optional: true, advice: 'passed over' }

test('a run that ends refuses what its sources name and do not find, all of it and before anything is read', async () => {
  const state = world([['t/0', 5n]])
  state.absent = [typo, { ...typo, what: 'topic tpyo' }, lost]
  await expect(start(state)).rejects.toMatchObject({
    code: 'SOURCE_NOT_FOUND',
    message: 'pipeline p: what it reads is not there: topic typo, topic tpyo (create it)',
  })
  expect(state.committed.size).toBe(0)
  state.absent = [lost]
  expect((await start(state)).filter((event) => event.type === 'source-missing')).toHaveLength(1)
  expectTiled(state)
})

test('a stream says once what it waits for, and reads the rest meanwhile', async () => {
  const state = world([['t/0', 5n]])
  const stop = new AbortController()
  state.absent = [typo]
  let looks = 0
  state.look = () => {
    looks += 1
    if (looks === 40) {
      state.absent = []
      state.ends.set('typo/0', 3n)
    }
  }
  state.intrude = (sink) => {
    if (sink === 'primary' && state.ends.has('typo/0')) stop.abort()
  }
  const events = await start(state, every({ seconds: 1 }), 10, stop)
  expect(events.filter((event) => event.type === 'source-missing')).toEqual([
    { type: 'source-missing', pipeline: 'p', missing: [typo] },
  ])
  expectTiled(state)
})
