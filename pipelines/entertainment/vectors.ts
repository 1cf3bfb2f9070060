/** Silver to vectors for semantic search: embedded anew only when the embedded text changed. */
import { vectors } from '../../connectors/index.ts'
import { definePipeline, every, type Pipeline } from '../../engine/index.ts'
import {
  caseWhen,
  cast,
  col,
  type Expression,
  embed,
  filter,
  ge,
  isNotNull,
  isNull,
  select,
  toText,
  union,
  yearOf,
} from '../../operators/index.ts'
import { after, changedSince, changeSteps, goneStep, netStep, silverChanges } from './changes.ts'
import { deadLetters } from './dead-letters.ts'
import { type ColumnOf, dateOfRelease, embeddingText, genreNames, titleOf } from './embedding-text.ts'
import { type Kind, pipelineName } from './kinds.ts'
import { present } from './present.ts'

/** By which of what is stored with vectors they are found by name. */
export const titleColumns = { columns: ['title', 'original_title'], mostFirst: 'renown' } as const

/**
 * Vectors of one kind, in a namespace of its name. All that is stored with them is part of the fingerprint's text, but for {@link originalTitle} and
 * {@link renown}, which hardly ever change.
 */
export function searchVectors(kind: Kind): Pipeline {
  return definePipeline({
    name: pipelineName('vectors', kind),
    description: `${kind} for semantic search`,
    source: silverChanges(kind),
    steps: [
      netStep(),
      ...changeSteps(),
      goneStep('gone-rows'),
      select('gone', { id: toText(col('id')) }),
      select('considered', { id: toText(col('id')) }, { from: 'changes' }),
      changedSince('changed', ['embedding_fingerprint'], kind === 'people' ? [] : [originalTitle(kind), renown]),
      select('texts', { id: toText(col('id')), text: embeddingText(kind, after), ...metadata(kind) }),
      filter('without-text', isNull(col('text')), { from: 'texts' }),
      select('silent', { id: col('id') }),
      union('deletes', ['gone', 'silent']),
      filter('with-text', isNotNull(col('text')), { from: 'texts' }),
      embed('upserts', { text: 'text', into: 'embedding', embedder: 'default' }),
    ],
    sink: vectors({
      namespace: kind,
      upserts: 'upserts',
      deletes: 'deletes',
      considered: 'considered',
      embedder: 'default',
    }),
    deadLetters: deadLetters(kind),
    trigger: every({ seconds: 5 }),
  })
}

function metadata(kind: Kind): { readonly [name: string]: Expression } {
  const title = titleOf(kind, after)
  if (kind === 'people') return { title, department: after('known_for_department') }
  return {
    title,
    original_title: originalTitle(kind)(after),
    renown: renown(after),
    year: yearOf(dateOfRelease(kind, after)),
    genres: genreNames(after),
  }
}

/** The title in the language that it was made in. */
function originalTitle(kind: Kind): (column: ColumnOf) => Expression {
  return (column) => present(column(kind === 'movies' ? 'original_title' : 'original_name'))
}

/**
 * How many have heard of a title, from 0 to 4, by its votes: of two of one name that with more is the one that is meant. The votes themselves change every day,
 * and with each change the text would be embedded again.
 */
function renown(column: ColumnOf): Expression {
  const steps = [30_000, 10_000, 3_000, 1_000]
  const branches = steps.map((votes, i) => [ge(column('vote_count'), votes), cast(steps.length - i, 'long')] as const)
  return caseWhen(branches, cast(0, 'long'))
}
