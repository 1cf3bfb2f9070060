/** The film graph in a Neo4j service, for tests. */
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { Sink } from '../../engine/contracts.ts'
import { contents, describe, type PipelineName } from '../graph/films.testing.ts'
import type { Neo4j } from './client.ts'
import { neo4jDialect } from './dialect.ts'
import { type Neo4jSinkOptions, neo4jSink } from './sink.ts'

/** A sink of one of the pipelines. */
export function openSink(
  pipeline: PipelineName,
  rest: Pick<Neo4jSinkOptions, 'neo4j' | 'duckdb' | 'stagingDir'>,
): Sink {
  return neo4jSink({ ...rest, description: describe(pipeline), clock: systemClock, ids: systemIds })
}

/** What the graph holds, one line each. */
export function contentsOf({ read }: Neo4j): Promise<string[]> {
  return contents({ query: read, dialect: neo4jDialect, has: () => true })
}
