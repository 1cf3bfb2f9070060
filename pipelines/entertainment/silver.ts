/** Bronze to silver: one typed row per id, the newest version, with fingerprints of what downstream cares about. */
import { delta } from '../../connectors/index.ts'
import { definePipeline, every, type Pipeline, type Step } from '../../engine/index.ts'
import {
  coalesce,
  col,
  cols,
  derive,
  type Expression,
  eq,
  expect,
  latestByKey,
  parse,
  select,
  setFingerprint,
  textFingerprint,
  trackChanges,
} from '../../operators/index.ts'
import { creditListSteps, seriesCredits } from './credits.ts'
import { deadLetters } from './dead-letters.ts'
import { documentColumns, documentContracts, identityColumns, identityRules, recordId } from './documents.ts'
import { embeddingText } from './embedding-text.ts'
import { type Kind, pipelineName } from './kinds.ts'
import { creditIdentities, referenceIdentities } from './relationships.ts'

/** Where a row of silver comes from; with the event time the total order in which versions replace each other. */
const origin = ['topic', 'partition', 'offset'] as const

/**
 * The newest event time wins; of equals, the later place in the log. A deleted title stays as a row that says so
 * (`deleted`), so that a late older version cannot bring it back.
 */
export function silver(kind: Kind): Pipeline {
  return definePipeline({
    name: pipelineName('silver', kind),
    description: `${kind}: one row per id, newest version, with a change feed`,
    source: delta({ table: `bronze/${kind}` }),
    steps: [
      derive('record', { [recordId]: col('id') }),
      parse('document', {
        from: 'value',
        path: '$.doc',
        columns: { ...documentColumns[kind], ...identityColumns(kind) },
        onInvalid: documentContracts[kind],
        keep: [recordId, 'key', 'event_time', 'label', ...origin],
        tombstone: 'nulls',
      }),
      expect('identity', identityRules(kind), { onViolation: 'dead-letter' }),
      ...(kind === 'tv_series' ? creditListSteps() : []),
      derive('normalised', { id: col(recordId), deleted: eq(col('label'), 'delete'), ...normalised(kind) }),
      latestByKey('latest', { key: ['id'], order: ['event_time', 'partition', 'offset'] }),
      fingerprints(kind),
      select('row', rowColumns(kind)),
    ],
    sink: delta({
      table: `silver/${kind}`,
      mode: 'merge',
      key: ['id'],
      newer: ['event_time', 'source_partition', 'source_offset'],
      changeFeed: true,
    }),
    deadLetters: deadLetters(kind),
    trigger: every({ seconds: 5 }),
  })
}

function normalised(kind: Kind): { readonly [column: string]: Expression } {
  if (kind === 'people') return {}
  const keywords = coalesce(col('keywords.keywords'), col('keywords.results'))
  return kind === 'movies' ? { keywords } : { keywords, credits: seriesCredits() }
}

function fingerprints(kind: Kind): Step {
  const embedding = textFingerprint(embeddingText(kind, col))
  if (kind === 'people') return trackChanges('fingerprints', { embedding_fingerprint: embedding })
  return trackChanges('fingerprints', {
    relationship_fingerprint: setFingerprint(creditIdentities(col), (identity) => [identity]),
    reference_fingerprint: setFingerprint(referenceIdentities(kind, col), (identity) => [identity]),
    embedding_fingerprint: embedding,
  })
}

function rowColumns(kind: Kind): { readonly [column: string]: Expression } {
  const fields = Object.keys(documentColumns[kind]).filter(
    (name) => name !== 'aggregate_credits' && name !== 'created_by',
  )
  const tracked = kind === 'people' ? [] : ['relationship_fingerprint', 'reference_fingerprint']
  return {
    ...cols('id', 'event_time', 'deleted', ...fields, ...tracked, 'embedding_fingerprint'),
    source_topic: col('topic'),
    source_partition: col('partition'),
    source_offset: col('offset'),
  }
}
