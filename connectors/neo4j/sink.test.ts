import { afterAll, beforeAll, describe } from 'vitest'
import { type GraphSubject, moduleUrl, type SubjectOptions, sinkPromises } from '../graph/sink-promises.testing.ts'
import { contentsOf, openSink } from './films.testing.ts'
import { type OwnDatabase, ownDatabase, service, turnMs } from './service.testing.ts'

describe.skipIf(service.uri === '')('over a service (needs NEO4J_URI)', () => {
  let own: OwnDatabase
  beforeAll(async () => {
    own = await ownDatabase()
  }, turnMs)
  afterAll(() => own.close())

  async function open(options: SubjectOptions): Promise<GraphSubject> {
    await own.empty()
    const { neo4j } = own
    return {
      sink: (pipeline) => openSink(pipeline, { neo4j, duckdb: options.duckdb, stagingDir: options.dir }),
      contents: () => contentsOf(neo4j),
      forgetTotals: async () => void (await neo4j.run('MATCH (p:MillracePosition) REMOVE p.totals')),
      childsSink: `
        import { openNeo4j } from ${moduleUrl('./client.ts', import.meta.url)}
        import { openSink } from ${moduleUrl('./films.testing.ts', import.meta.url)}
        import { service } from ${moduleUrl('./service.testing.ts', import.meta.url)}
        const sink = openSink('Movie', { neo4j: openNeo4j(service), duckdb, stagingDir: dir })`,
      release: async () => {},
      close: async () => {},
    }
  }
  sinkPromises(open)
})
