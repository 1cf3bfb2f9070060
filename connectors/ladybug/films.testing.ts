/** The film graph in an embedded store, for tests. */
import { systemClock } from '../../engine/clock.ts'
import type { Sink } from '../../engine/contracts.ts'
import { contents, describe, type PipelineName } from '../graph/films.testing.ts'
import { readCatalog } from './catalog.ts'
import type { GraphDatabase } from './database.ts'
import { ladybugDialect } from './dialect.ts'
import { type GraphSinkOptions, graphSink } from './sink.ts'

/** A sink of one of the pipelines. */
export function openSink(pipeline: PipelineName, rest: Pick<GraphSinkOptions, 'path' | 'duckdb' | 'stagingDir'>): Sink {
  return graphSink({ ...rest, description: describe(pipeline), clock: systemClock, bufferPoolBytes: 2 ** 27 })
}

/** What the graph holds, one line each. */
export async function contentsOf({ run }: Pick<GraphDatabase, 'run'>): Promise<string[]> {
  const { labels, relationships } = await readCatalog(run)
  return contents({
    query: run,
    dialect: ladybugDialect,
    has: (table, property) =>
      property === undefined
        ? labels.has(table) || relationships.has(table)
        : labels.get(table)?.properties.has(property) === true,
  })
}
