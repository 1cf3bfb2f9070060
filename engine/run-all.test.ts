import { expect, test } from 'vitest'
import { planRecovery } from '../checkpoints/recovery.ts'
import type { Executor, Position, Sink, SinkDescription, Source, SourceDescription } from './contracts.ts'
import { definePipeline } from './define.ts'
import { MillraceError } from './errors.ts'
import type { PipelineEvent } from './events.ts'
import type { Pipeline } from './pipeline.ts'
import { runAll } from './run-all.ts'
import type { Runtime } from './runtime.ts'
import { availableNow, every, type Trigger } from './trigger.ts'

const source = (reads: string): SourceDescription => ({ kind: 'test', shape: 'records', reads, options: {} })
const sink = (writes: string): SinkDescription => ({ kind: 'test', writes, inputs: { rows: undefined }, options: {} })

function pipeline(name: string, reads: string, writes: string, trigger: Trigger): Pipeline {
  return definePipeline({ name, source: source(reads), sink: sink(writes), trigger })
}

/** `a` and `x` read topics, `b` what `a` writes, `c` what `b` writes. */
function chain(trigger: Trigger): Pipeline[] {
  return [
    pipeline('a', 'topic:a', 'table:a', trigger),
    pipeline('x', 'topic:x', 'table:x', trigger),
    pipeline('b', 'table:a', 'table:b', trigger),
    pipeline('c', 'table:b', 'table:c', trigger),
  ]
}

interface World {
  /** Called in every commit of a sink. */
  commit(writes: string): void | Promise<void>
  /** Called when a source or sink closes. */
  close?(): Promise<void>
  /** Called when a source opens. */
  open?(reads: string): void | Promise<void>
  /** Called whenever anything waits. */
  slept?(ms: number): void
}

function runtimeOf(world: World): Runtime {
  let nowMs = 0
  const held = new Map<string, Position>()
  const executor: Executor = {
    async run({ inputs, stage }) {
      const [input] = inputs.values()
      const ranges = input?.kind === 'records' ? input.ranges : []
      const file = { path: '', rows: 1, sizeBytes: 0, columns: [], statistics: [] }
      const outputs = new Map([[stage.outputs[0]!.step, [file]]])
      return { outputs, columns: new Map(), ranges, rowsIn: 1, bytesIn: 1, violations: new Map() }
    },
    close: async () => {},
  }
  const openSource = async ({ reads }: SourceDescription): Promise<Source> => {
    await world.open?.(reads)
    return {
      shape: 'records',
      start: async () => new Map([[`${reads}/0`, 0n]]),
      latest: async () => new Map([[`${reads}/0`, 5n]]),
      cut: async (range) => range,
      count: async ({ start, end }) => Number(end - start),
      commitOffsets: async () => {},
      close: async () => world.close?.(),
    }
  }
  const openSink = async ({ writes }: SinkDescription): Promise<Sink> => ({
    name: writes,
    delivery: 'exactly-once',
    position: async () => ({ position: held.get(writes) ?? new Map(), fingerprint: null }),
    async commit({ ranges }) {
      await world.commit(writes)
      held.set(writes, new Map(ranges.map((range) => [range.sourcePartition, range.end])))
      return { kind: 'committed', written: {} }
    },
    close: async () => {},
  })
  return {
    openSource,
    openSink,
    executors: { columns: executor, relational: executor },
    planRecovery,
    makeStaging: async () => '/nowhere',
    dropStaging: async () => {},
    clock: {
      nowMs: () => nowMs,
      async sleep(ms) {
        nowMs += ms
        world.slept?.(ms)
        await new Promise((resolve) => setImmediate(resolve)) // others get their turn
      },
    },
    ids: { uuid: () => 'id', random: () => 0.5 },
    retry: { streamingMs: 1_000_000_000, endingMs: 10, firstDelayMs: 1, maxDelayMs: 10 },
  }
}

async function run(
  pipelines: readonly Pipeline[],
  world: World,
  signals: Partial<Record<'stop' | 'abandon', AbortController>> = {},
) {
  const events: PipelineEvent[] = []
  const options = {
    stop: (signals.stop ?? new AbortController()).signal,
    abandon: (signals.abandon ?? new AbortController()).signal,
  }
  const failed = await runAll(pipelines, runtimeOf(world), options, (all) => {
    all.subscribe({ next: (event) => events.push(event), error: () => {} })
  })
  const of = (type: PipelineEvent['type']) =>
    events.filter((event) => event.type === type).map(({ pipeline }) => pipeline)
  return { failed, events, of }
}

const wrong = () => new MillraceError('SCHEMA_MISMATCH', 'rows do not fit (mend it)')

test('a pipeline that fails stops no other; those downstream run on what is there and say so', async () => {
  const { failed, events, of } = await run(chain(availableNow()), {
    commit(writes) {
      if (writes === 'table:a') throw wrong()
    },
  })
  expect(failed).toEqual([{ pipeline: 'a', error: wrong() }])
  expect(of('committed')).toEqual(['x', 'b', 'c'])
  expect(events.filter((event) => event.type === 'input-behind')).toEqual([
    { type: 'input-behind', pipeline: 'b', failed: ['a'] },
    { type: 'input-behind', pipeline: 'c', failed: ['a'] },
  ])
})

test('the same of pipelines that stream: the others go on until they are stopped', async () => {
  const stop = new AbortController()
  let waits = 0
  const { failed, events, of } = await run(
    chain(every({ seconds: 1 })),
    {
      commit(writes) {
        if (writes === 'table:a') throw wrong()
      },
      slept() {
        waits += 1
        if (waits === 50) stop.abort()
      },
    },
    { stop },
  )
  expect(failed.map(({ pipeline }) => pipeline)).toEqual(['a'])
  expect(of('committed').toSorted()).toEqual(['b', 'c', 'x'])
  expect(of('input-behind').toSorted()).toEqual(['b', 'c'])
  const ends = events.flatMap((event) => (event.type === 'stopped' ? [`${event.pipeline} ${event.reason}`] : []))
  expect(ends.toSorted()).toEqual(['a failed', 'b stop-requested', 'c stop-requested', 'x stop-requested'])
})

test('a stream of which all pipelines have failed ends by itself', async () => {
  const { failed } = await run(chain(every({ seconds: 1 })), {
    commit() {
      throw wrong()
    },
  })
  expect(failed.map(({ pipeline }) => pipeline).toSorted()).toEqual(['a', 'b', 'c', 'x'])
})

test('a pipeline whose service is away at its start waits for it, and no other notices', async () => {
  const stop = new AbortController()
  let tries = 0
  const { failed, of } = await run(
    chain(every({ seconds: 1 })),
    {
      open(reads) {
        if (reads !== 'topic:a') return
        tries += 1
        if (tries < 20) throw new MillraceError('KAFKA_UNREACHABLE', 'away', { retryable: true })
      },
      commit(writes) {
        if (writes === 'table:a') stop.abort()
      },
    },
    { stop },
  )
  expect(failed).toEqual([])
  expect(of('retried')).toHaveLength(19)
  expect(of('committed').toSorted()).toEqual(['a', 'b', 'c', 'x'])
})

test.each(['open', 'commit', 'close'] as const)('a run is abandoned also where its %s never ends', async (where) => {
  const [stop, abandon] = [new AbortController(), new AbortController()]
  const hang = () => {
    stop.abort()
    abandon.abort()
    return new Promise<never>(() => {})
  }
  const world = { commit: () => {}, [where]: hang }
  const { failed, events } = await run(chain(availableNow()).slice(0, 1), world, { stop, abandon })
  expect(failed).toEqual([])
  expect(events.at(-1)).toMatchObject({ type: 'stopped' })
  if (where === 'close') expect(events.at(-2)).toMatchObject({ type: 'not-closed' })
})

test('a source that cannot be closed fails no run whose batches are committed', async () => {
  const { failed, of } = await run(chain(availableNow()), {
    commit: () => {},
    close: () => Promise.reject(new Error('broken')),
  })
  expect(failed).toEqual([])
  expect(of('not-closed')).toEqual(['a', 'x', 'b', 'c'])
})
