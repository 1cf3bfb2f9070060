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

test.each<[string, StartFrom, bigint]>([
  ['by offsets', { offsets: { 't/0': 5 } }, 5n],
  ['at the end', 'latest', 10n],
])('sinks begin together, also if the first batch was cut off between them: %s', async (_, startFrom, begins) => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 1)
    await producer.append('t', texts(0, ...Array.from({ length: 10 }, (_, i) => `r${i}`)))
    const committed = new Map<string, Range[]>()
    let killed = false
    const sinkOf = (name: string): Sink => ({
      name,
      delivery: 'exactly-once',
      position: async () => ({
        position: new Map((committed.get(name) ?? []).map((range) => [range.sourcePartition, range.end])),
        fingerprint: null,
      }),
      async commit({ ranges, initial }) {
        if (name === 'primary' && !killed) {
          killed = true
          throw new MillraceError('SINK_FAILED', 'killed here') // not retryable: this run ends
        }
        const position = new Map((committed.get(name) ?? []).map((range) => [range.sourcePartition, range.end]))
        if (!admits(position, ranges, initial)) return { kind: 'fenced', position }
        committed.set(name, [...(committed.get(name) ?? []), ...ranges])
        return { kind: 'committed', written: {} }
      },
      close: async () => {},
    })
    const runtime = (): Runtime => ({
      async openSource() {
        const source = fileLogSource({ dir, choice: { topic: 't' }, startFrom, clock: systemClock })
        const start = async (held?: Position) => {
          const begins = await source.start(held)
          await producer.append('t', texts(0, 'later')) // so that the end is another one at the next start
          return begins
        }
        return { ...source, start }
      },
      openSink: async ({ writes }) => sinkOf(writes),
      executors: { columns: executor, relational: executor },
      planRecovery,
      makeStaging: async () => '/nowhere',
      dropStaging: async () => {},
      clock: systemClock,
      ids: { uuid: () => 'id', random: () => 0.5 },
      retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 1 },
    })
    const run = () =>
      lastValueFrom(
        runPipeline(pipeline, runtime(), {
          stop: new AbortController().signal,
          abandon: new AbortController().signal,
        }).pipe(toArray()),
      )
    await expect(run()).rejects.toThrow('killed here')
    await run()
    const read = (name: string) =>
      committed
        .get(name)!
        .filter(({ sourcePartition, start, end }) => sourcePartition === 't/0' && start < end)
        .map(({ start, end }) => [start, end])
    expect(read('second')[0]![0]).toBe(begins)
    expect(read('primary')[0]![0]).toBe(begins)
    for (const name of ['second', 'primary']) {
      const ranges = read(name)
      expect(ranges.slice(1).map(([start]) => start)).toEqual(ranges.slice(0, -1).map(([, end]) => end))
    }
    expect(read('primary').at(-1)![1]).toBe(read('second').at(-1)![1])
    await producer.close()
  })
})
