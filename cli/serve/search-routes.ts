/** Search and questions over HTTP. */
import type { FastifyPluginAsync } from 'fastify'
import type { Match } from '../../connectors/vectors/store.ts'
import { usageError } from '../args.ts'
import { toJson } from '../output.ts'
import type { Place } from '../place.ts'
import { ask, keptFor, type RetrievalRequest, search } from '../retrieval.ts'
import { parseYears } from '../years.ts'
import type { Admission } from './admission.ts'
import { answer, exactly, rows, text, top } from './schemas.ts'

interface Request {
  readonly type?: string
  readonly year?: string
  readonly genre?: string
  readonly top: number
}

const narrowing = {
  type: { type: 'string', enum: ['movies', 'tv_series', 'people'], description: 'only of this kind' },
  year: { type: 'string', maxLength: 9, description: 'only of these years: 1999, 1990-1999, 1990- or -1999' },
  genre: text('only of this genre, in any case'),
} as const

const passages = { ...top, maximum: 50, default: 6, description: 'from how many passages at most' }

/** `GET /search` and `POST /ask`. */
export function searchRoutes(place: Place, gate: Admission): FastifyPluginAsync {
  const kept = keptFor(place)
  return async (app) => {
    app.get<{ Querystring: Request & { readonly text: string } }>(
      '/search',
      {
        schema: {
          summary:
            'Titles and people with the text as their title, then those that are called like it or are nearest in meaning.',
          querystring: exactly({ text: text('what it shall be about, in any words'), ...narrowing, top }, ['text']),
          response: rows('found', 'namespace, id, score (nearness in meaning, 1 is the same) and metadata, best first'),
        },
      },
      async ({ query, signal }, reply) => {
        const request = requestOf(query.text, query)
        const found = await gate.run(signal, (until) => search(place, request, { signal: until, kept }))
        return reply.type('application/json; charset=utf-8').send(foundInJson(found))
      },
    )
    app.post<{ Body: Request & { readonly question: string } }>(
      '/ask',
      {
        schema: {
          summary:
            'An answer from titles and people with the passages that it cites, by the configured model; without one, the passages.',
          body: exactly({ question: text('in any words'), ...narrowing, top: passages }, ['question']),
          response: answer(
            {
              question: { type: 'string' },
              answer: { type: ['string', 'null'], description: 'null: no model is configured, or nothing was found' },
              citations: { type: 'array', items: { type: 'integer' }, description: 'numbers of passages' },
              unknownCitations: {
                type: 'array',
                items: { type: 'integer' },
                description: 'numbers that no passage has',
              },
              passages: { type: 'array', items: { type: 'object', additionalProperties: true } },
            },
            'the answer and its passages',
          ),
        },
      },
      ({ body, signal }) => {
        const request = requestOf(body.question, body)
        return gate.run(signal, (until) => ask(place, request, { signal: until, kept }))
      },
    )
  }
}

/** `{ found }`, out of what the store has ready in JSON. */
function foundInJson(found: readonly Match[]): Buffer {
  const parts = found.flatMap((match, i) => {
    const { namespace, id, score } = match
    const start = `${i === 0 ? '' : ','}${toJson({ namespace, id, score }).slice(0, -1)},"metadata":`
    return [Buffer.from(start), match.json ?? Buffer.from(toJson(match.metadata)), Buffer.from('}')]
  })
  return Buffer.concat([Buffer.from('{"found":['), ...parts, Buffer.from(']}')])
}

function requestOf(text: string, { type, year, genre, top }: Request): RetrievalRequest {
  const years = year === undefined ? null : parseYears(year)
  if (year !== undefined && years === null)
    throw usageError([`year: must be a year or a span of years (1999, 1990-1999, 1990-), not ${JSON.stringify(year)}`])
  return {
    text,
    top,
    ...(type === undefined ? {} : { type }),
    ...(years === null ? {} : { years }),
    ...(genre === undefined ? {} : { genre }),
  }
}
