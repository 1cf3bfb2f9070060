/** The definitions that the storm runs, written where its data is: their topics have names of their own each time. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Paths of definition files. */
export interface SweepDefinitions {
  /** Every record as it came; poison to the dead letters. */
  readonly append: string
  /** The newest record of each id. */
  readonly merge: string
  /** The appended rows, to another topic. */
  readonly forward: string
}

/** Writes the definitions for a topic and its output topic `<topic>-out`. */
export function writeDefinitions(root: string, topic: string): SweepDefinitions {
  const from = (folder: string) =>
    JSON.stringify(pathToFileURL(join(import.meta.dirname, '..', folder, 'index.ts')).href)
  const head = `import { delta, kafka } from ${from('connectors')}
import { definePipeline } from ${from('engine')}
import { cols, int64, latestByKey, parseCritical, select } from ${from('operators')}
`
  const write = (name: string, body: string): string => {
    const path = join(root, `${name}.ts`)
    writeFileSync(path, `${head}export default definePipeline({ name: '${name}', ${body} })\n`)
    return path
  }
  const source = `source: kafka({ topic: '${topic}' })`
  const parse = `parseCritical('parse', { id: int64('$.id') })`
  return {
    append: write(
      'append',
      `${source}, steps: [${parse}], sink: delta({ table: 'sweep/append', mode: 'append' }), deadLetters: delta({ table: 'dead_letters/sweep', mode: 'append' })`,
    ),
    merge: write(
      'merge',
      `${source}, steps: [${parse}, latestByKey('latest', { key: ['id'], order: ['offset'] }), select('row', cols('id', 'offset', 'partition', 'value'))],
      sink: delta({ table: 'sweep/merge', mode: 'merge', key: ['id'], newer: ['offset'] }), deadLetters: delta({ table: 'dead_letters/merge', mode: 'append' })`,
    ),
    forward: write(
      'forward',
      `source: delta({ table: 'sweep/append' }), steps: [select('record', cols('key', 'value', 'headers', 'timestamp'))], sink: kafka({ mode: 'append', topic: '${topic}-out' })`,
    ),
  }
}
