/** Movies for semantic search out of the tables for analysis in ClickHouse, instead of silver. */
import { olapChanges, vectors } from '../connectors/index.ts'
import { definePipeline, every } from '../engine/index.ts'
import {
  col,
  embed,
  filter,
  isNotNull,
  isNull,
  joinList,
  list,
  netChanges,
  nullIf,
  select,
  toText,
  union,
} from '../operators/index.ts'

const text = nullIf(joinList(list([nullIf(col('after.title'), ''), nullIf(col('after.overview'), '')]), '\n'), '')

export default definePipeline({
  name: 'vectors-from-clickhouse',
  source: olapChanges({ table: 'movies', writtenBy: 'olap-movies' }),
  steps: [
    netChanges('net', { key: ['id'] }),
    filter('gone-rows', isNull(col('after.id')), { from: 'net' }),
    select('gone', { id: toText(col('id')) }),
    filter('live', isNotNull(col('after.id')), { from: 'net' }),
    select('texts', { id: toText(col('id')), text, title: col('after.title') }),
    filter('without-text', isNull(col('text')), { from: 'texts' }),
    select('silent', { id: col('id') }),
    union('deletes', ['gone', 'silent']),
    filter('with-text', isNotNull(col('text')), { from: 'texts' }),
    embed('upserts', { text: 'text', into: 'embedding', embedder: 'local' }),
  ],
  sink: vectors({ namespace: 'movies-in-clickhouse', upserts: 'upserts', deletes: 'deletes', embedder: 'local' }),
  trigger: every({ seconds: 5 }),
})
