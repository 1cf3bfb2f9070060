/** Ready queries to the tables for analysis over HTTP. */
import type { FastifyPluginAsync } from 'fastify'
import { MillraceError } from '../../engine/errors.ts'
import { usageError } from '../args.ts'
import type { Place } from '../place.ts'
import { fallbacks, parameterProblems, readyQueries } from '../ready-queries.ts'
import { openOlap } from '../stores.ts'
import type { Admission } from './admission.ts'
import { exactly, rows, text } from './schemas.ts'

/** `GET /olap` and `GET /olap/:name`. SQL of one's own is for the command line: over a network it would be anybody's. */
export function olapRoutes(place: Place, gate: Admission): FastifyPluginAsync {
  const ready = readyQueries()
  return async (app) => {
    app.get(
      '/olap',
      { schema: { summary: 'The ready queries.', response: rows('queries', 'name, answers, parameters') } },
      () => ({ queries: ready.map(({ sql: _, ...query }) => query) }),
    )
    app.get<{ Params: { readonly name: string }; Querystring: Readonly<Record<string, string>> }>(
      '/olap/:name',
      {
        schema: {
          summary: 'The rows of a ready query; its parameters go into the address.',
          params: exactly({ name: text('name of the query') }, ['name']),
          querystring: { type: 'object', additionalProperties: { type: 'string', maxLength: 1000 } },
          response: rows('rows', 'as the query gives them'),
        },
      },
      async ({ params: { name }, query: given, signal }) => {
        const query = ready.find((each) => each.name === name)
        if (query === undefined)
          throw new MillraceError(
            'TABLE_NOT_FOUND',
            `there is no ready query ${name} (there are ${ready.map((each) => each.name).join(', ')})`,
          )
        const problems = parameterProblems(query, given)
        if (problems.length > 0) throw usageError(problems.map((problem) => `querystring: ${problem}`))
        const parameters = { ...fallbacks(query), ...given }
        return {
          rows: await gate.run(signal, async (until) => (await openOlap(place)).ask(query.sql, parameters, until)),
        }
      },
    )
  }
}
