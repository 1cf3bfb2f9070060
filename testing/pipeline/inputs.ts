/** What the pipelines of a test read, and which of it a name means. Pure. */
import { topicMatcher } from '../../connectors/records/description.ts'
import type { SourceDescription } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Pipeline } from '../../engine/pipeline.ts'

/** Inputs of pipelines. */
export interface KnownInputs {
  /** Topics that are named by a source or a sink. */
  readonly topics: ReadonlySet<string>
  /** `changeFeed`: whether somebody reads the table's changes. Null for what is no table that anybody reads. */
  tableOf(name: string): { readonly changeFeed: boolean } | null
  /** Whether a source reads the topic. */
  isTopic(name: string): boolean
}

/** Everything that pipelines read. */
export function inputsOf(pipelines: readonly Pipeline[]): KnownInputs {
  const sources = pipelines.flatMap((pipeline) => Object.values(pipeline.sources))
  const topicSources = sources.filter(({ kind }) => kind === 'kafka')
  const named = topicSources.flatMap(({ options }) => [options.topic, ...((options.topics ?? []) as string[])])
  const written = pipelines.flatMap(({ sinks }) => sinks.filter(({ kind }) => kind === 'kafka'))
  const topics = [...named, ...written.map(({ options }) => options.topic)].filter((name) => typeof name === 'string')
  return {
    topics: new Set(topics),
    tableOf(name) {
      const readers = sources.filter(({ kind, options }) => kind === 'delta' && options.table === name)
      return readers.length === 0 ? null : { changeFeed: readers.some(({ options }) => options.changeFeed === true) }
    },
    isTopic: (name) => named.includes(name) || topicSources.some((source) => matches(source, name)),
  }
}

function matches({ options }: SourceDescription, topic: string): boolean {
  return typeof options.pattern === 'string' && topicMatcher(options.pattern)(topic)
}

/** What is said of an input that no pipeline reads. */
export function unreadInput(name: string, pipelines: readonly Pipeline[]): MillraceError {
  const reads = pipelines.flatMap(({ sources }) => Object.values(sources).map((source) => source.reads))
  return new MillraceError(
    'CONFIG_INVALID',
    `no pipeline of the test reads ${JSON.stringify(name)} (they read: ${[...new Set(reads)].join(', ')})`,
  )
}
