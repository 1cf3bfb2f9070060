import { lastValueFrom, toArray } from 'rxjs'
import { expect, test } from 'vitest'
import { admits } from '../checkpoints/fence.ts'
import { planRecovery } from '../checkpoints/recovery.ts'
import { producerIn, texts, withFolder } from '../connectors/file-log/log.testing.ts'
import { fileLogSource } from '../connectors/file-log/source.ts'
import type { StartFrom } from '../connectors/records/description.ts'
import { systemClock } from './clock.ts'
import type { Executor, Position, Range, Sink, SinkDescription, SourceDescription, Step } from './contracts.ts'
import { definePipeline } from './define.ts'
import { MillraceError } from './errors.ts'
import type { PipelineEvent } from './events.ts'
import { runPipeline } from './run.ts'
import type { Runtime } from './runtime.ts'
import { availableNow } from './trigger.ts'

const topic: SourceDescription = { kind: 'test', shape: 'records', reads: 'topic:t', options: {} }
const into = (name: string): SinkDescription => ({
  kind: 'test',
  writes: name,
  inputs: { rows: undefined },
  options: {},
})
const pass: Step = { id: 'pass', kind: 'pass', executor: 'columns', rejects: false, options: {} }
const pipeline = definePipeline({
  name: 'p',
  source: topic,
  steps: [pass],
  sink: into('primary'),
  sinks: [into('second')],
  trigger: availableNow(),
  limits: { maxRecords: 100 },
})

const executor: Executor = {
  async run({ inputs, stage }) {
    const [input] = inputs.values()
    if (input?.kind !== 'records') throw new Error('expected records')
    return {
      outputs: new Map([[stage.outputs[0]!.step, []]]),
      columns: new Map(),
      ranges: input.ranges,
      rowsIn: 0,
      bytesIn: 0,
      violations: new Map(),
    }
  },
  close: async () => {},
}

/** A topic of ten records, two sinks, and runs over them that each open everything anew. */
interface World {
  /** What each sink holds. */
  readonly committed: Map<string, Range[]>
  /** Called in every commit, before anything else. */
  intrude: (sink: string) => void
  send(...values: readonly string[]): Promise<unknown>
  run(): Promise<readonly PipelineEvent[]>
  /** What a sink got of the only partition, in order. */
  read(sink: string): (readonly [bigint, bigint])[]
}

async function withWorld(startFrom: StartFrom, work: (world: World) => Promise<void>): Promise<void> {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 1)
    const send = (...values: readonly string[]) => producer.append('t', texts(0, ...values))
    await send(...Array.from({ length: 10 }, (_, i) => `r${i}`))
    const committed = new Map<string, Range[]>()
    const position = (name: string): Position =>
      new Map((committed.get(name) ?? []).map((range) => [range.sourcePartition, range.end]))
    const sinkOf = (name: string): Sink => ({
      name,
      delivery: 'exactly-once',
      position: async () => ({ position: position(name), fingerprint: null }),
      async commit({ ranges, initial }) {
        world.intrude(name)
        if (!admits(position(name), ranges, initial)) return { kind: 'fenced', position: position(name) }
        committed.set(name, [...(committed.get(name) ?? []), ...ranges])
        return { kind: 'committed', written: {} }
      },
      close: async () => {},
    })
    const runtime = (): Runtime => ({
      openSource: async () => fileLogSource({ dir, choice: { topic: 't' }, startFrom, clock: systemClock }),
      openSink: async ({ writes }) => sinkOf(writes),
      executors: { columns: executor, relational: executor },
      planRecovery,
      makeStaging: async () => '/nowhere',
      dropStaging: async () => {},
      clock: systemClock,
      ids: { uuid: () => 'id', random: () => 0.5 },
      retry: { streamingMs: 10, endingMs: 10, firstDelayMs: 1, maxDelayMs: 1 },
    })
    const signal = new AbortController().signal
    const world: World = {
      committed,
      intrude: () => {},
      send,
      run: () => lastValueFrom(runPipeline(pipeline, runtime(), { stop: signal, abandon: signal }).pipe(toArray())),
      read: (name) =>
        (committed.get(name) ?? [])
          .filter(({ sourcePartition, start, end }) => sourcePartition === 't/0' && start < end)
          .map(({ start, end }) => [start, end] as const),
    }
    await work(world)
    await producer.close()
  })
}

const starts: readonly (readonly [string, StartFrom, bigint])[] = [
  ['by offsets', { offsets: { 't/0': 5 } }, 5n],
  ['at the end', 'latest', 10n],
]

test.each(starts)(
  'sinks begin together, also if the first batch was cut off between them: %s',
  async (_, startFrom, begins) => {
    await withWorld(startFrom, async (world) => {
      let sent: Promise<unknown> = Promise.resolve()
      let killed = false
      world.intrude = (sink) => {
        if (sink === 'second') sent = world.send('later') // so that the end is another one at the next start
        if (sink !== 'primary' || killed) return
        killed = true
        throw new MillraceError('SINK_FAILED', 'killed here') // not retryable: this run ends
      }
      await expect(world.run()).rejects.toThrow('killed here')
      await sent
      await world.run()
      await sent
      await world.run()
      for (const name of ['second', 'primary']) {
        const ranges = world.read(name)
        expect(ranges[0]![0]).toBe(begins)
        expect(ranges.slice(1).map(([start]) => start)).toEqual(ranges.slice(0, -1).map(([, end]) => end))
      }
      expect(world.read('primary').at(-1)![1]).toBe(world.read('second').at(-1)![1])
    })
  },
)

test('a run that finds nothing to read keeps its start at the end for the next one, and that once', async () => {
  await withWorld('latest', async (world) => {
    await world.run()
    expect(world.committed.get('primary')).toContainEqual({ sourcePartition: 't/0', start: 10n, end: 10n })
    await world.send('between', 'two', 'runs')
    await world.run()
    expect([world.read('second'), world.read('primary')]).toEqual([[[10n, 13n]], [[10n, 13n]]])
    const events = await world.run()
    expect(events.map(({ type }) => type)).toEqual(['stopped'])
  })
})

test('such a start is kept too if the run was cut off between two sinks', async () => {
  await withWorld('latest', async (world) => {
    world.intrude = (sink) => {
      if (sink === 'primary') throw new MillraceError('SINK_FAILED', 'killed here')
    }
    await expect(world.run()).rejects.toThrow('killed here')
    world.intrude = () => {}
    await world.send('between')
    await world.run()
    expect([world.read('second'), world.read('primary')]).toEqual([[[10n, 11n]], [[10n, 11n]]])
  })
})

test('where another process began, one that started beside it goes on, though that one died between the sinks', async () => {
  await withWorld({ offsets: { 't/0': 5 } }, async (world) => {
    let died = false
    world.intrude = (sink) => {
      if (died || sink !== 'second') return
      died = true
      world.committed.set('second', [
        { sourcePartition: 't/0', start: 3n, end: 8n },
        { sourcePartition: 't/0/start', start: 3n, end: 3n },
      ])
    }
    await world.run()
    expect([world.read('second'), world.read('primary')]).toEqual([[[3n, 8n], [8n, 10n]], [[3n, 8n], [8n, 10n]]]) // biome-ignore format: pairs
  })
})

test.each<readonly [string, StartFrom, RegExp]>([
  ['past the end', { offsets: { 't/0': 11 } }, /t\/0 ends at offset 10, before 11/],
  [
    'of a partition that is not there',
    { offsets: { 't/7': 0, 't/0': 99 } },
    /no partition t\/7\n.*t\/0 ends at offset 10/,
  ],
])('an offset %s is refused before anything is committed', async (_, startFrom, why) => {
  await withWorld(startFrom, async (world) => {
    await expect(world.run()).rejects.toMatchObject({
      code: 'DEFINITION_INVALID',
      message: expect.stringMatching(why),
    })
    expect(world.committed.size).toBe(0)
  })
})

test('offsets say nothing any more once a position is held', async () => {
  await withWorld({ offsets: { 't/0': 5 } }, async (world) => {
    await world.run()
    await world.send('later')
    await world.run()
    expect(world.read('primary')).toEqual([
      [5n, 10n],
      [10n, 11n],
    ])
  })
})
