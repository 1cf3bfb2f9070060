/** Questions to the knowledge graph over HTTP. */
import type { FastifyPluginAsync } from 'fastify'
import type { Graph } from '../../connectors/graph/store.ts'
import { coStars, directorActorPairs, filmography, hubs, pathBetween } from '../graph-questions.ts'
import type { Place } from '../place.ts'
import { openGraphStore } from '../stores.ts'
import type { Admission } from './admission.ts'
import { exactly, rows, text, top } from './schemas.ts'

const person = text('key of a person, or a name in any case')

interface Query {
  readonly from: string
  readonly to: string
  readonly person: string
  readonly top: number
}

/** `/graph/path`, `/graph/co-stars`, `/graph/pairs`, `/graph/credits` and `/graph/hubs`. */
export function graphRoutes(place: Place, gate: Admission): FastifyPluginAsync {
  const asking = <T>(signal: AbortSignal, question: (graph: Graph) => Promise<T>): Promise<T> =>
    gate.run(signal, async (until) => {
      const graph = await openGraphStore(place, until) // each time: an embedded graph shows what was committed when it was opened
      try {
        return await question(graph)
      } finally {
        await graph.close()
      }
    })
  return async (app) => {
    app.get<{ Querystring: Query }>(
      '/graph/path',
      {
        schema: {
          summary: 'A shortest way between two people over the titles that they share.',
          querystring: exactly({ from: person, to: person }, ['from', 'to']),
          response: rows(
            'path',
            'nodes from one to the other, each with the relationship that led there; empty if nothing joins them within 15',
          ),
        },
      },
      async ({ query: { from, to }, signal }) => ({
        path: (await asking(signal, (graph) => pathBetween(graph, from, to))) ?? [],
      }),
    )
    app.get<{ Querystring: Query }>(
      '/graph/co-stars',
      {
        schema: {
          summary: 'Who acted in most titles with a person.',
          querystring: exactly({ person, top }, ['person']),
          response: rows('coStars', 'id, name, titles'),
        },
      },
      async ({ query, signal }) => ({
        coStars: await asking(signal, (graph) => coStars(graph, query.person, query.top)),
      }),
    )
    app.get<{ Querystring: Partial<Query> & Pick<Query, 'top'> }>(
      '/graph/pairs',
      {
        schema: {
          summary:
            'Directors (of series: creators) and actors with most titles together; of one person if one is named.',
          querystring: exactly({ person, top }, []),
          response: rows('pairs', 'directorId, director, actorId, actor, titles'),
        },
      },
      async ({ query, signal }) => ({
        pairs: await asking(signal, (graph) => directorActorPairs(graph, query.person ?? null, query.top)),
      }),
    )
    app.get<{ Querystring: Query }>(
      '/graph/credits',
      {
        schema: {
          summary: 'All credits of a person, newest first.',
          querystring: exactly({ person }, ['person']),
          response: rows('credits', 'year, type, id, title, role'),
        },
      },
      async ({ query, signal }) => ({ credits: await asking(signal, (graph) => filmography(graph, query.person)) }),
    )
    app.get<{ Querystring: Query }>(
      '/graph/hubs',
      {
        schema: {
          summary: 'Who acted beside most other people.',
          querystring: exactly({ top }, []),
          response: rows('hubs', 'id, name, people, titles'),
        },
      },
      async ({ query, signal }) => ({ hubs: await asking(signal, (graph) => hubs(graph, query.top)) }),
    )
  }
}
