/**
 * `node bench/search-quality.ts movies.jsonl.gz tv.jsonl.gz`: how well a catalogue of documents is searched with each embedder that there
 * is: the local one, and what the environment configures (MILLRACE_EMBEDDER). The catalogue goes through the platform's own pipelines. A
 * JSON line an embedder: recall@10 (share of questions whose title is among the first ten) and MRR (mean of 1 / its place, 0 past 100).
 * With `--at-least 0.5` it fails where recall@10 is less.
 */
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { simulate } from '../cli/commands/simulate.ts'
import { type Config, readConfig } from '../cli/config.ts'
import { platformPipelines } from '../cli/pipelines.ts'
import { reading } from '../cli/reading.ts'
import { search } from '../cli/retrieval.ts'
import { openWorkspace } from '../cli/workspace.ts'
import type { PipelineEvent } from '../engine/events.ts'
import { runAll, throwFirst } from '../engine/run-all.ts'
import { availableNow } from '../engine/trigger.ts'
import { localSettings } from '../operators/embedders/registry.ts'
import type { EmbedderSettings } from '../operators/embedders/settings.ts'
import { machineFacts } from './machine.ts'
import { type QualityQuery, qualityQueries } from './search-quality-queries.ts'

/** Places that are looked at. */
const depth = 100

async function main(args: readonly string[]): Promise<void> {
  const options = { 'at-least': { type: 'string', default: '0' } } as const
  const { positionals: files, values } = parseArgs({ args: [...args], allowPositionals: true, options })
  const atLeast = Number(values['at-least'])
  if (files.length === 0) throw new Error('name files of documents (movies.jsonl.gz tv.jsonl.gz)')
  const dataDir = join(tmpdir(), `millrace-search-quality-${process.pid}`)
  const config = readConfig({ env: { ...process.env, KAFKA_BROKERS: '', MILLRACE_LAKE: '' }, dataDir })
  console.log(JSON.stringify({ machine: machineFacts(), questions: qualityQueries.length }))
  try {
    await simulate({ config, arguments: files, options: {}, json: true })
    await run(config, ['bronze-movies', 'bronze-tv_series', 'silver-movies', 'silver-tv_series'])
    const embedders = config.embedder.kind === 'local' ? [localSettings] : [localSettings, config.embedder]
    for (const embedder of embedders) {
      const result = await measure({ ...config, embedder })
      console.log(JSON.stringify(result))
      if (!(result.recallAt10 >= atLeast)) process.exitCode = 1
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function measure(config: Config): Promise<{ readonly recallAt10: number; readonly [figure: string]: unknown }> {
  rmSync(join(config.dataDir, 'stores'), { recursive: true, force: true })
  const startedMs = performance.now()
  const events = await run(config, ['vectors-movies', 'vectors-tv_series'])
  const seconds = (performance.now() - startedMs) / 1000
  const texts = events.reduce(
    (sum, event) => sum + (event.type === 'committed' ? (event.embedded?.computed ?? 0) : 0),
    0,
  )
  return reading(config, async (place) => {
    const { id } = await place.openEmbedder('default')
    const placed: { readonly query: string; readonly at: number | null }[] = []
    const searchMs: number[] = []
    for (const each of qualityQueries) {
      const from = performance.now()
      const found = await search(place, { text: each.query, top: depth })
      searchMs.push(performance.now() - from)
      placed.push({ query: each.query, at: placeOf(each, found) })
    }
    return {
      bench: 'search-quality',
      embedder: nameOf(config.embedder),
      id,
      texts,
      textsPerSecond: Math.round(texts / seconds),
      recallAt10: round(share(placed, ({ at }) => at !== null && at <= 10)),
      recallAt1: round(share(placed, ({ at }) => at === 1)),
      mrr: round(placed.reduce((sum, { at }) => sum + (at === null ? 0 : 1 / at), 0) / placed.length),
      medianSearchMs: Math.round(searchMs.toSorted((a, b) => a - b)[searchMs.length >> 1]!),
      places: placed.map(({ at }) => at),
    }
  })
}

async function run(config: Config, names: readonly string[]): Promise<PipelineEvent[]> {
  const events: PipelineEvent[] = []
  const workspace = await openWorkspace(config)
  const { signal } = new AbortController()
  try {
    const platform = await platformPipelines()
    const chosen = names.map((name) => ({ ...platform.find((each) => each.name === name)!, trigger: availableNow() }))
    const failed = await runAll(chosen, workspace.runtime, { stop: signal, abandon: signal }, (told) => {
      told.subscribe({ next: (event) => events.push(event), error: () => {} })
    })
    throwFirst(failed)
  } finally {
    await workspace.close()
  }
  return events
}

function placeOf(
  { expected }: QualityQuery,
  found: readonly { readonly namespace: string; readonly id: string }[],
): number | null {
  const index = found.findIndex(({ namespace, id }) =>
    expected.some((each) => each.type === namespace && String(each.id) === id),
  )
  return index < 0 ? null : index + 1
}

function nameOf(settings: EmbedderSettings): string {
  return settings.kind === 'local' ? 'local' : `${settings.kind} ${settings.modelId}`
}

function share<T>(all: readonly T[], holds: (each: T) => boolean): number {
  return all.filter(holds).length / all.length
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}

await main(process.argv.slice(2))
