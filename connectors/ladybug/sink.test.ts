import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../../engine/clock.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { commitTo, outputsOf } from '../graph/films.testing.ts'
import {
  ann,
  film,
  type GraphSubject,
  moduleUrl,
  runNode,
  type SubjectOptions,
  sinkPromises,
} from '../graph/sink-promises.testing.ts'
import { type GraphDatabase, openGraphDatabase } from './database.ts'
import { contentsOf, openSink } from './films.testing.ts'
import { graphSink } from './sink.ts'

let duckdb: Duckdb
let dir: string

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: tmpdir() })
})
afterAll(() => duckdb.close())
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-graph-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

let files = 0

async function open(options: SubjectOptions): Promise<GraphSubject> {
  files += 1
  const path = join(options.dir, `graph-${files}.lbug`)
  const rest = { path, duckdb: options.duckdb, stagingDir: options.dir }
  const sinks: { close(): Promise<void> }[] = []
  let opened: Promise<GraphDatabase> | null = null
  const database = () => {
    opened ??= openGraphDatabase({ path, mode: 'write', bufferPoolBytes: 2 ** 27 })
    return opened
  }
  const release = async () => {
    for (const sink of sinks.splice(0)) await sink.close()
    await (await opened)?.close()
    opened = null
  }
  return {
    sink(pipeline) {
      const sink = openSink(pipeline, rest)
      sinks.push(sink)
      return sink
    },
    contents: async () => contentsOf(await database()),
    forgetTotals: async () => void (await (await database()).run('ALTER TABLE MillracePosition DROP totals')),
    childsSink: `
      import { openSink } from ${moduleUrl('./films.testing.ts', import.meta.url)}
      const sink = openSink('Movie', { path: ${JSON.stringify(path)}, duckdb, stagingDir: dir })`,
    release,
    close: release,
  }
}

sinkPromises(open)

test('a description that breaks a rule is refused with every problem', () => {
  const open = () =>
    graphSink({
      path: join(dir, 'graph.lbug'),
      duckdb: async () => duckdb,
      stagingDir: dir,
      clock: systemClock,
      description: {
        nodes: { 'Bad name': { from: 'n', key: 'id', properties: {} } },
        removeNodes: { Genre: { from: 'g', key: 'id' } },
        relationships: {
          R: { from: 'r', fromNode: 'A', toNode: 'B', fromKey: 'a', toKey: 'b', key: 'k', properties: {} },
        },
      },
    })
  expect(open).toThrow(
    expect.objectContaining({
      code: 'DEFINITION_INVALID',
      problems: [
        'Bad name is no name (use letters, digits and _)',
        'relationship R has no owners (name the step that gives them)',
        'label Genre is removed but not declared',
      ],
    }),
  )
})

test('a second process that writes is refused as busy, one that reads is not', async () => {
  const path = join(dir, 'graph.lbug')
  const sink = openSink('Movie', { path, duckdb: async () => duckdb, stagingDir: dir })
  const outputs = await outputsOf(duckdb, dir, 'Movie', new Map([[1n, film([ann])]]))
  await commitTo(sink, 0, { pipeline: 'Movie', outputs })
  const script = (mode: string) => `
    import { openGraphDatabase } from ${moduleUrl('./database.ts', import.meta.url)}
    try {
      const database = await openGraphDatabase({ path: ${JSON.stringify(path)}, mode: '${mode}' })
      console.log(JSON.stringify((await database.run('MATCH (n:Movie) RETURN n.title AS title'))))
      await database.close()
    } catch ({ code, retryable, message }) {
      console.log(JSON.stringify({ code, retryable, message }))
    }`
  const output = (mode: string) => JSON.parse(runNode(script(mode)).stdout)
  expect(output('write')).toEqual({ code: 'STORE_BUSY', retryable: true, message: expect.stringContaining('is busy') })
  expect(output('read')).toEqual([{ title: 'Film' }])
  await sink.close()
})

test.each(['long', 'double', 'boolean', 'date', 'string[]'] as const)(
  'a stub label whose own property name is a %s is looked up',
  async (type) => {
    const stagingDir = dir
    const sink = graphSink({
      path: join(dir, 'graph.lbug'),
      duckdb: async () => duckdb,
      stagingDir,
      clock: systemClock,
      bufferPoolBytes: 2 ** 27,
      description: {
        nodes: {
          Movie: { from: 'films', key: 'id', properties: {} },
          Genre: { from: 'genres', key: 'id', properties: { name: type } },
        },
        owners: { from: 'films', node: 'Movie', key: 'id' },
        relationships: {
          IN: {
            from: 'links',
            fromNode: 'Movie',
            toNode: 'Genre',
            fromKey: 'id',
            toKey: 'genre',
            key: 'key',
            properties: {},
          },
        },
        stubs: { Genre: { key: 'id' } },
      },
    })
    const file = (name: string, query: string) =>
      duckdb.withConnection((connection) => copyToParquet(connection, query, join(dir, `${name}.parquet`)))
    const films = await file('films', 'SELECT range AS id FROM range(3)')
    const links = await file('links', `SELECT range AS id, range // 2 AS genre, 'k' || range AS key FROM range(3)`)
    const outputs = new Map([
      ['films', [films]],
      ['links', [links]],
    ])
    expect(await commitTo(sink, 0, { pipeline: 'p', outputs })).toMatchObject({
      kind: 'committed',
      written: { relationshipsWritten: 3, stubsCreated: 2 },
    })
    expect(await commitTo(sink, 1, { pipeline: 'p', outputs })).toMatchObject({
      written: { relationshipsWritten: 0, relationshipsUnchanged: 3, stubsCreated: 0 },
    })
    await sink.close()
  },
)

test('a disk that is nearly full is refused before the graph is touched, and may be tried again', async () => {
  const path = join(dir, 'graph.lbug')
  await expect(openGraphDatabase({ path, mode: 'write', reserveBytes: 2 ** 60 })).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    retryable: true,
    message: expect.stringContaining('the disk is nearly full'),
  })
  expect(existsSync(path)).toBe(false)
})
