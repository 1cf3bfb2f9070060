import { delta, kafka } from '../connectors/index.ts'
import { definePipeline, every } from '../engine/index.ts'
import { int64, parseCritical, timestamp } from '../operators/index.ts'

export default definePipeline({
  name: 'ratings',
  source: kafka({ topic: 'tmdb.movies' }),
  steps: [parseCritical('parse', { id: int64('$.id'), event_time: timestamp('$.timestamp') })],
  sink: delta({ table: 'bronze/ratings', mode: 'append' }),
  deadLetters: delta({ table: 'dead_letters/ratings', mode: 'append' }),
  trigger: every({ seconds: 5 }),
})
