/** A small data directory for tests: a few records sent to a topic, and pipelines run over them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertLakeKeepsRules } from '../connectors/delta/lint/lint-lake.ts'
import { openProducer, producerBatch } from '../connectors/file-log/producer.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { runAll, throwFirst } from '../engine/run-all.ts'
import { availableNow } from '../engine/trigger.ts'
import { type Config, readConfig } from './config.ts'
import type { CommandContext } from './context.ts'
import { platformPipelines } from './pipelines.ts'
import { openWorkspace } from './workspace.ts'

export interface TestData {
  readonly config: Config
  /** Sends texts to a topic of two partitions, keyed by the id that they begin with, or else by their place in the list. */
  send(topic: string, ...values: readonly (string | Uint8Array)[]): Promise<void>
  /**
   * Runs pipelines, or those of the platform with the given names, to the end of what is there. Fails if the log of a table breaks
   * a rule of the protocol.
   */
  run(...pipelines: readonly (Pipeline | string)[]): Promise<void>
  /** What a command starts from. */
  context(parts?: Partial<CommandContext>): CommandContext
  remove(): void
}

/** A data directory of its own, to be removed after the test. */
export function testData(): TestData {
  const dataDir = join(mkdtempSync(join(tmpdir(), 'millrace-cli-')), 'data')
  const config = readConfig({ env: { MILLRACE_WORKERS: '0' }, dataDir })
  return {
    config,
    async send(topic, ...values) {
      const producer = await openProducer({ dir: join(dataDir, 'log'), clock: systemClock, ids: systemIds })
      try {
        await producer.createTopic(topic, 2)
        const batch = producerBatch()
        for (const [i, value] of values.entries())
          batch.add({ key: keyOf(value, i), value: Buffer.from(value), timestampMs: 1_700_000_000_000 + i })
        await producer.append(topic, batch)
      } finally {
        await producer.close()
      }
    },
    async run(...pipelines) {
      const platform = await platformPipelines()
      const workspace = await openWorkspace(config)
      const signal = new AbortController().signal
      try {
        const chosen = pipelines.map((each) =>
          typeof each === 'string' ? platform.find(({ name }) => name === each)! : each,
        )
        const bounded = chosen.map((pipeline) => ({ ...pipeline, trigger: availableNow() }))
        throwFirst(await runAll(bounded, workspace.runtime, { stop: signal, abandon: signal }, () => {}))
        await assertLakeKeepsRules({ store: workspace.lake, duckdb: workspace.duckdb })
      } finally {
        await workspace.close()
      }
    },
    context: (parts = {}) => ({ config, arguments: [], options: {}, json: false, ...parts }),
    remove: () => rmSync(join(dataDir, '..'), { recursive: true, force: true }),
  }
}

function keyOf(value: string | Uint8Array, place: number): Buffer {
  const id = /^\{"id":(-?\d+)/.exec(Buffer.from(value).toString('latin1'))?.[1]
  return Buffer.from(id ?? String(place))
}

/** A record of a movie, as the collector sends it, one second newer with each id up to a thousand. */
export function movieEvent(id: number | bigint, title: string, more: Readonly<Record<string, unknown>> = {}): string {
  const timestamp = new Date(1_700_000_000_000 + Number(BigInt(id) % 1000n) * 1000).toISOString()
  const rest = JSON.stringify({ title, ...more }).slice(1)
  return `{"id":${id},"type":"movie","label":"new","timestamp":"${timestamp}","doc":{"id":${id},${rest}}`
}

/** Runs a command and gives what it printed to standard output, line by line. */
export async function printed(
  command: () => Promise<number>,
): Promise<{ readonly code: number; readonly lines: string[] }> {
  const lines: string[] = []
  const { log } = console
  console.log = (...words: unknown[]) => void lines.push(...words.map(String).join(' ').split('\n'))
  try {
    return { code: await command(), lines }
  } finally {
    console.log = log
  }
}

/** Like {@link printed}, each line read as JSON. */
export async function printedJson(
  command: () => Promise<number>,
): Promise<{ readonly code: number; readonly rows: Readonly<Record<string, unknown>>[] }> {
  const { code, lines } = await printed(command)
  return { code, rows: lines.map((line) => JSON.parse(line)) }
}
