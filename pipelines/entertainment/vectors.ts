/** Silver to vectors for semantic search: embedded anew only when the embedded text changed. */
import { vectors } from '../../connectors/index.ts'
import { definePipeline, every, type Pipeline } from '../../engine/index.ts'
import {
  col,
  type Expression,
  embed,
  filter,
  isNotNull,
  isNull,
  select,
  toText,
  union,
  yearOf,
} from '../../operators/index.ts'
import { after, changedSince, changeSteps, goneStep, netStep, silverChanges } from './changes.ts'
import { deadLetters } from './dead-letters.ts'
import { dateOfRelease, embeddingText, genreNames, titleOf } from './embedding-text.ts'
import { type Kind, pipelineName } from './kinds.ts'

/** Vectors of one kind, in a namespace of its name. All that is stored with them is part of the fingerprint's text. */
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
      changedSince('changed', ['embedding_fingerprint']),
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
  if (kind === 'people') return { title: titleOf(kind, after), department: after('known_for_department') }
  return { title: titleOf(kind, after), year: yearOf(dateOfRelease(kind, after)), genres: genreNames(after) }
}
