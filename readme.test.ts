import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { clickhouseSink } from './connectors/clickhouse/sink.ts'
import { deltaSink } from './connectors/delta/sink.ts'
import { olapSink } from './connectors/duckdb/sink.ts'
import { fileLogSink } from './connectors/file-log/sink.ts'
import { kafkaSink } from './connectors/kafka/sink.ts'
import { graphSink } from './connectors/ladybug/sink.ts'
import { vectorsSink } from './connectors/local-vectors/sink.ts'
import { neo4jSink } from './connectors/neo4j/sink.ts'
import { pineconeSink } from './connectors/pinecone/sink.ts'
import type { Sink } from './engine/contracts.ts'

const root = import.meta.dirname
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const scratch = mkdtempSync(join(tmpdir(), 'millrace-readme-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

interface Block {
  readonly language: string
  readonly text: string
}

const blocks: readonly Block[] = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
  language: match[1]!,
  text: match[2]!,
}))

/** As a user types it, but for the folder of the data. */
function run(command: string): string {
  const here = command.replaceAll(' data/', ` ${scratch}/`)
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`
  return execFileSync('sh', ['-c', here], { cwd: root, encoding: 'utf8', env: { ...process.env, PATH } })
}

test('every command runs, and prints what the README shows', () => {
  const commands: string[] = []
  for (const [i, { language, text }] of blocks.entries()) {
    if (language !== 'sh') continue
    let output = ''
    for (const command of text.trim().split('\n')) {
      output = run(command)
      commands.push(command)
    }
    const shown = blocks[i + 1]
    if (shown?.language === 'text') expect(output.trimEnd(), text).toBe(shown.text.trimEnd())
  }
  expect(commands.length).toBeGreaterThan(10)
}, 120_000)

test('the pipeline and the test shown are the examples', () => {
  const shown = blocks.filter(({ language, text }) => language === 'ts' && text.startsWith('// examples/'))
  for (const { text } of shown) {
    const [path, ...code] = text.split('\n')
    expect(readFileSync(join(root, path!.replace('// ', '')), 'utf8')).toBe(code.join('\n'))
  }
  expect(shown).toHaveLength(2)
})

test('the guarantees are those that the connectors declare', () => {
  const unused = {} as never
  const sinks: readonly (readonly [string, Sink])[] = [
    ['kafka', kafkaSink({} as never)],
    ['kafka', fileLogSink({ dir: scratch } as never)],
    ['delta', deltaSink({ table: { path: 't' }, write: { mode: 'append' } } as never)],
    ['olap', olapSink(unused)],
    ['olap', clickhouseSink(unused)],
    ['graph', graphSink({ description: {} } as never)],
    ['graph', neo4jSink({ description: {} } as never)],
    ['vectors', vectorsSink({ description: {} } as never)],
    ['vectors', pineconeSink({ description: {} } as never)],
  ]
  const rows = [...readme.matchAll(/^\| `(\w+)`[^|]*\|[^|]*\|[^|]*\| ([\w-]+) \|$/gm)].map((row) => [row[1], row[2]])
  expect(rows).toEqual(sinks.map(([name, { delivery }]) => [name, delivery]))
})
