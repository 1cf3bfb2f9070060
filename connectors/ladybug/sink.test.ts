import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../../engine/clock.ts'
import type { RowRefusingSink, SinkCommit } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { commitTo, outputsOf } from '../graph/films.testing.ts'
import {
  ann,
  film,
  type GraphSubject,
  moduleUrl,
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

/** Titles with genres that the pipeline writes itself; the rows' columns are those of the inputs. */
const titles = {
  nodes: {
    Title: { from: 'titles', key: 'id', properties: { name: 'string' } },
    Genre: { from: 'genres', key: 'id', properties: {} },
  },
  owners: { from: 'titles', node: 'Title', key: 'id' },
  relationships: {
    IN_GENRE: { from: 'links', fromNode: 'Title', toNode: 'Genre', fromKey: 't', toKey: 'g', key: 'k', properties: {} },
  },
} as const

async function titleBatch(more: Partial<SinkCommit> = {}): Promise<SinkCommit> {
  const inputs = {
    titles: `SELECT 1::BIGINT AS id, 'Heat' AS name`,
    genres: 'SELECT 7::BIGINT AS id',
    links: `FROM (VALUES (1::BIGINT, 7::BIGINT, 'a'), (1, 8, 'b')) v(t, g, k)`,
  }
  const outputs = new Map<string, ParquetFile[]>()
  for (const [input, query] of Object.entries(inputs)) {
    const path = join(dir, `${input}-${more.txnId}.parquet`)
    outputs.set(input, [await duckdb.withConnection((connection) => copyToParquet(connection, query, path))])
  }
  const ranges = [{ sourcePartition: 's', start: 0n, end: 1n }]
  const signal = new AbortController().signal
  return {
    pipeline: 'p',
    txnId: 't',
    fingerprint: 'f',
    ranges,
    initial: new Map(),
    outputs,
    columns: new Map(),
    signal,
    ...more,
  }
}

function titleSink(): RowRefusingSink {
  const rest = { duckdb: async () => duckdb, stagingDir: dir, clock: systemClock, bufferPoolBytes: 2 ** 27 }
  return graphSink({ ...rest, path: join(dir, 'graph.lbug'), description: titles })
}

async function links(): Promise<unknown> {
  const graph = await openGraphDatabase({ path: join(dir, 'graph.lbug'), mode: 'read', bufferPoolBytes: 2 ** 27 })
  return graph.read('MATCH (:Title)-[r:IN_GENRE]->(g:Genre) RETURN r.k AS k')
}

test('a relationship without its end is told before the commit, and the rest of the batch is written', async () => {
  const sink = titleSink()
  const batch = await titleBatch()
  const refused = await sink.prepare(batch)
  expect(refused).toMatchObject([{ input: 'links', message: expect.stringContaining('joins Genre 8') }])
  expect(JSON.parse(refused[0]!.row)).toEqual({ t: 1, g: 8, k: 'b' })
  expect(await links()).toEqual([])
  expect(await sink.commit(batch)).toMatchObject({ kind: 'committed', written: { relationshipsWritten: 1 } })
  expect(await links()).toEqual([{ k: 'a' }])
  expect(await sink.prepare(await titleBatch())).toEqual([])
  await sink.abandon?.()
  await sink.close()
})

test('what is prepared and abandoned is not written, and others have their turn again', async () => {
  const sink = titleSink()
  await sink.prepare(await titleBatch())
  const other = titleSink()
  const theirs = await titleBatch({ pipeline: 'other', txnId: 'o' })
  const waiting = other.prepare(theirs)
  await sink.abandon?.()
  expect(await waiting).toHaveLength(1)
  expect(await other.commit(theirs)).toMatchObject({ kind: 'committed' })
  expect((await sink.position('p')).position).toEqual(new Map())
  await expect(sink.commit(await titleBatch())).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringMatching(/^graph store refuses 1 rows, such as one of links: .*nothing was written\)$/),
  })
})

test('two sinks of one pipeline on one graph do not wait for each other', async () => {
  const [first, second] = [titleSink(), titleSink()]
  const [one, two] = [await titleBatch({ txnId: 'a' }), await titleBatch({ txnId: 'b', pipeline: 'p' })]
  expect(await first.prepare(one)).toHaveLength(1)
  expect(await second.prepare(two)).toEqual([])
  expect(await first.commit(one)).toMatchObject({ kind: 'committed' })
  expect(await second.commit(two)).toMatchObject({ kind: 'fenced' })
})

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

/** Another process with a `graph` at the path; it ends when the script does. */
function child(path: string, script: string): { readonly process: ChildProcess; line(): Promise<string> } {
  const text = `
    import { createInterface } from 'node:readline'
    import { openGraphDatabase } from ${moduleUrl('./database.ts', import.meta.url)}
    const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
    const heard = async () => (await lines.next()).value
    const graph = await openGraphDatabase({ path: ${JSON.stringify(path)}, mode: 'write', bufferPoolBytes: 2 ** 27 })
    ${script}
    await graph.close()
    process.exit(0)`
  const started = spawn(process.execPath, ['--input-type=module-typescript', '-e', text], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]()
  return { process: started, line: async () => String((await lines.next()).value) }
}

const ended = (process: ChildProcess): Promise<unknown> => new Promise((resolve) => process.once('exit', resolve))
const movies = 'MATCH (n:Movie) RETURN count(*) AS n'

test('another process reads beside a transaction that is open, and writes in its turn', async () => {
  const path = join(dir, 'graph.lbug')
  const sink = openSink('Movie', { path, duckdb: async () => duckdb, stagingDir: dir })
  const outputs = await outputsOf(duckdb, dir, 'Movie', new Map([[1n, film([ann])]]))
  await commitTo(sink, 0, { pipeline: 'Movie', outputs })
  const graph = await openGraphDatabase({ path, mode: 'write' })
  const other = child(
    path,
    `console.log(String((await graph.read(${JSON.stringify(movies)}))[0].n))
     await heard()
     await graph.transaction(async () => {}, async ({ run }) => void (await run('MATCH (n:Movie) SET n.title = "Other"')))
     console.log(JSON.stringify(await graph.read('MATCH (n:Movie) RETURN n.title AS title ORDER BY n.id')))`,
  )
  await graph.transaction(
    async () => {},
    async ({ run }) => {
      await run('CREATE (:Movie {id: 2, title: "Second"})')
      expect(await other.line()).toBe('1')
    },
  )
  other.process.stdin?.write('go on\n')
  expect(await other.line()).toBe('[{"title":"Other"},{"title":"Other"}]')
  expect(await graph.read(movies)).toEqual([{ n: 2n }])
  await sink.close()
})

test('a process that is killed in a transaction leaves the graph as it was, and the next goes on', async () => {
  const path = join(dir, 'graph.lbug')
  const other = child(
    path,
    `await graph.run('CREATE NODE TABLE Movie(id INT64, PRIMARY KEY(id))')
     await graph.run('CREATE (:Movie {id: 1})')
     await graph.transaction(async () => {}, async ({ run }) => { await run('CREATE (:Movie {id: 2})'); console.log('open'); await heard() })`,
  )
  expect(await other.line()).toBe('open')
  const graph = await openGraphDatabase({ path, mode: 'write' })
  expect(await graph.read(movies)).toEqual([{ n: 1n }])
  const waiting = graph.run('CREATE (:Movie {id: 3})')
  other.process.kill('SIGKILL')
  await ended(other.process)
  await waiting
  expect(await graph.read('MATCH (n:Movie) RETURN n.id AS id ORDER BY id')).toEqual([{ id: 1n }, { id: 3n }])
  await graph.close()
})

test('a question sees one state of the graph from its beginning to its end, and commits do not wait for it', async () => {
  const path = join(dir, 'graph.lbug')
  const graph = await openGraphDatabase({ path, mode: 'write' })
  await graph.run('CREATE NODE TABLE Movie(id INT64, n INT64, PRIMARY KEY(id))')
  await graph.run('UNWIND range(1, 3000) AS id CREATE (:Movie {id: id, n: 1})')
  const question = graph.read('MATCH (a:Movie), (b:Movie) RETURN count(*) AS pairs, sum(b.n) AS n')
  for (let i = 0; i < 5; i++) await graph.run('MATCH (m:Movie) SET m.n = m.n + 1')
  expect(await question).toEqual([{ pairs: 9_000_000n, n: 9_000_000n }])
  expect(await graph.read('MATCH (m:Movie) RETURN min(m.n) AS n')).toEqual([{ n: 6n }])
  await graph.close()
})

test('a question that takes too long, or is no longer wanted, ends; one that writes is refused', async () => {
  const path = join(dir, 'graph.lbug')
  const graph = await openGraphDatabase({ path, mode: 'write' })
  await graph.run('CREATE NODE TABLE Movie(id INT64, PRIMARY KEY(id))')
  await graph.run('UNWIND range(1, 3000) AS id CREATE (:Movie {id: id})')
  const long = 'MATCH (a:Movie), (b:Movie), (c:Movie) WHERE a.id + b.id + c.id > 3 RETURN count(*) AS n'
  await expect(graph.read(long, {}, { timeoutMs: 200 })).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('Interrupted'),
  })
  const abort = new AbortController()
  const unwanted = graph.read(long, {}, { timeoutMs: 2_000, signal: abort.signal })
  expect(await graph.read(movies)).toEqual([{ n: 3_000n }])
  abort.abort(new Error('no longer wanted'))
  await expect(unwanted).rejects.toThrow('no longer wanted')
  await expect(graph.read('CREATE (:Movie {id: 0})')).rejects.toThrow('would change the graph')
  await graph.close()
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
