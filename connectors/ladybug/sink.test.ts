import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../engine/clock.ts'
import type { Sink } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { type GraphDatabase, openGraphDatabase } from './database.ts'
import {
  commitTo,
  contents,
  expected,
  openSink,
  outputsOf,
  type Person,
  type PipelineName,
  type Rows,
  type State,
  type Title,
} from './graph.testing.ts'
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
afterEach(() => {
  armFault(null)
  rmSync(dir, { recursive: true, force: true })
})

interface Fixture {
  readonly database: GraphDatabase
  readonly state: State
  /** Commits one batch of a pipeline at its next position, and to the model. */
  batch(pipeline: PipelineName, rows: Rows<Title | Person>): ReturnType<typeof commitTo>
  close(): Promise<void>
}

async function open(path = join(dir, 'graph.lbug')): Promise<Fixture> {
  const rest = { path, duckdb: async () => duckdb, stagingDir: dir }
  const sinks = Object.fromEntries(
    (['Movie', 'TvSeries', 'Person'] as const).map((pipeline) => [pipeline, openSink(pipeline, rest)]),
  ) as Record<PipelineName, Sink>
  const at = { Movie: 0, TvSeries: 0, Person: 0 }
  const state: State = { Movie: new Map(), TvSeries: new Map(), Person: new Map() }
  const database = await openGraphDatabase({ path, mode: 'write', bufferPoolBytes: 2 ** 27 })
  return {
    database,
    state,
    async batch(pipeline, rows) {
      const outputs = await outputsOf(duckdb, dir, pipeline, rows)
      const outcome = await commitTo(sinks[pipeline], at[pipeline], { pipeline, outputs })
      at[pipeline] += 1
      for (const [id, row] of rows)
        if (row === null) state[pipeline].delete(id)
        else (state[pipeline] as Map<bigint, Title | Person>).set(id, row)
      return outcome
    },
    async close() {
      for (const sink of Object.values(sinks)) await sink.close()
      await database.close()
    },
  }
}

const person = fc.constantFrom(1n, 2n, 3n, 2n ** 53n + 1n, 2n ** 53n + 2n)
const text = fc.constantFrom('Ann', "O'Hara", '"; MATCH (n) DETACH DELETE n; //', '🎬 \\ é', '', '$x {y}')
const credit = fc.record({
  type: fc.constantFrom('ACTED_IN' as const, 'CREW_OF' as const),
  key: fc.constantFrom('a', 'b', 'c'),
  person,
  personName: text,
  role: text,
})
const title = fc.record({
  name: text,
  credits: fc.uniqueArray(credit, { selector: ({ type, key }) => `${type}/${key}`, maxLength: 4 }),
  genres: fc.uniqueArray(fc.constantFrom('18|Drama', '18|Drame', '35|Comedy')),
})
const filled = fc.record({ name: text, birthday: fc.constantFrom('1874-12-09', '1990-01-01') })
const some = <T>(id: fc.Arbitrary<bigint>, row: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(id, fc.option(row, { freq: 3 })), { minLength: 1, maxLength: 3 }).map((rows) => new Map(rows))
const id = fc.constantFrom(1n, 2n, 2n ** 53n + 1n)
const batch = fc.oneof(
  fc.record({ pipeline: fc.constant('Movie' as const), rows: some(id, title) }),
  fc.record({ pipeline: fc.constant('TvSeries' as const), rows: some(id, title) }),
  fc.record({ pipeline: fc.constant('Person' as const), rows: some(person, filled) }),
)
const step = fc.record({ batch, fails: fc.boolean() })

test('after every batch the graph is a function of the rows, whatever the cuts, the order and the failures', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      run += 1
      const graph = await open(join(dir, `graph-${run}.lbug`))
      try {
        for (const {
          batch: { pipeline, rows },
          fails,
        } of steps) {
          if (fails) {
            armFault({ point: 'store-before-commit', passage: 1, action: 'throw' })
            await expect(graph.batch(pipeline, rows)).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
            armFault(null)
            expect(await contents(graph.database)).toEqual(expected(graph.state))
          }
          expect(await graph.batch(pipeline, rows)).toMatchObject({ kind: 'committed' })
          expect(await contents(graph.database)).toEqual(expected(graph.state))
        }
      } finally {
        await graph.close()
      }
    }),
    { numRuns: 8 },
  )
})

const ann = { type: 'ACTED_IN', key: 'a', person: 1n, personName: 'Ann', role: 'Captain' } as const
const film = (credits: Title['credits'], genres: readonly string[] = []): Title => ({ name: 'Film', credits, genres })

test('only what differs is written, and counted', async () => {
  const graph = await open()
  const bob = { ...ann, key: 'b', person: 2n, personName: 'Bob' }
  const first = new Map([[1n, film([ann, bob], ['18|Drama'])]])
  expect(await graph.batch('Movie', first)).toMatchObject({
    written: { nodesWritten: 1, relationshipsWritten: 3, relationshipsRemoved: 0, ownersRewritten: 0, stubsCreated: 3 },
  })
  const second = new Map([[1n, film([{ ...ann, role: 'Admiral' }], ['18|Drama'])]])
  expect(await graph.batch('Movie', second)).toMatchObject({
    written: {
      relationshipsWritten: 1,
      relationshipsRemoved: 2,
      relationshipsUnchanged: 1,
      ownersRewritten: 1,
      stubsCreated: 0,
      stubsRemoved: 1,
    },
  })
  await graph.batch('Person', new Map([[1n, { name: 'Anna', birthday: '1990-01-01' }]]))
  expect(await graph.batch('Person', new Map([[1n, null]]))).toMatchObject({
    written: { nodesRemoved: 1, stubsCreated: 1, stubsRemoved: 0 },
  })
  expect(await graph.batch('Movie', new Map([[1n, null]]))).toMatchObject({
    written: { nodesRemoved: 1, relationshipsRemoved: 2, ownersRewritten: 0, stubsRemoved: 2 },
  })
  expect(await contents(graph.database)).toEqual([])
  await graph.close()
})

test('totals are the sums of all commits, whatever is found committed, and begin anew in a graph of an earlier version', async () => {
  const path = join(dir, 'graph.lbug')
  const graph = await open(path)
  const sink = openSink('Movie', { path, duckdb: async () => duckdb, stagingDir: dir })
  await graph.batch('Movie', new Map([[1n, film([ann])]]))
  const first = (await sink.position('Movie')).totals
  expect(first).toMatchObject({ nodesWritten: 1, stubsCreated: 1 })
  const again = await outputsOf(duckdb, dir, 'Movie', new Map([[1n, film([ann])]]))
  expect(await commitTo(sink, 0, { pipeline: 'Movie', outputs: again })).toMatchObject({ kind: 'already-committed' })
  expect((await sink.position('Movie')).totals).toEqual(first)
  await graph.batch('Movie', new Map([[2n, film([ann])]]))
  expect((await sink.position('Movie')).totals).toMatchObject({ nodesWritten: 2, stubsCreated: 1 })

  await graph.database.run('ALTER TABLE MillracePosition DROP totals')
  expect(await sink.position('Movie')).toEqual({ position: new Map([['silver', 2n]]), fingerprint: 'f' })
  await graph.batch('Movie', new Map([[3n, film([])]]))
  expect((await sink.position('Movie')).totals).toMatchObject({ nodesWritten: 1 })
  await sink.close()
  await graph.close()
})

test('a fenced commit writes nothing and our own commit is recognised', async () => {
  const path = join(dir, 'graph.lbug')
  const graph = await open(path)
  await graph.batch('Movie', new Map([[1n, film([ann])]]))
  const sink = openSink('Movie', { path, duckdb: async () => duckdb, stagingDir: dir })
  const outputs = await outputsOf(duckdb, dir, 'Movie', new Map([[2n, film([ann])]]))
  expect(await commitTo(sink, 0, { pipeline: 'Movie', outputs, txnId: 'other' })).toEqual({
    kind: 'fenced',
    position: new Map([['silver', 1n]]),
  })
  expect(await commitTo(sink, 0, { pipeline: 'Movie', outputs })).toMatchObject({
    kind: 'already-committed',
    written: { nodesWritten: 1 },
  })
  expect(await contents(graph.database)).toEqual(expected(graph.state))
  expect(await sink.position('Movie')).toMatchObject({ position: new Map([['silver', 1n]]), fingerprint: 'f' })
  expect(await sink.position('TvSeries')).toEqual({ position: new Map(), fingerprint: null })
  await sink.close()
  await graph.close()
})

test('a relationship to a node that is not there is refused, and nothing is written', async () => {
  const graph = await open()
  const outputs = await outputsOf(duckdb, dir, 'Movie', new Map([[1n, film([ann])]]))
  outputs.delete('nodes')
  const sink = openSink('Movie', { path: graph.database.path, duckdb: async () => duckdb, stagingDir: dir })
  await expect(commitTo(sink, 0, { pipeline: 'Movie', outputs })).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('relationship ACTED_IN joins Movie 1 (one of 1), which is not in the graph'),
  })
  expect(await contents(graph.database)).toEqual([])
  await sink.close()
  await graph.close()
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

test('a second process that writes is refused as busy, one that reads is not', async () => {
  const graph = await open()
  await graph.batch('Movie', new Map([[1n, film([ann])]]))
  const script = (mode: string) => `
    import { openGraphDatabase } from ${source('./database.ts')}
    try {
      const database = await openGraphDatabase({ path: ${JSON.stringify(graph.database.path)}, mode: '${mode}' })
      console.log(JSON.stringify((await database.run('MATCH (n:Movie) RETURN n.title AS title'))))
      await database.close()
    } catch ({ code, retryable, message }) {
      console.log(JSON.stringify({ code, retryable, message }))
    }`
  const output = (mode: string) => JSON.parse(runNode(script(mode)).stdout)
  expect(output('write')).toEqual({ code: 'STORE_BUSY', retryable: true, message: expect.stringContaining('is busy') })
  expect(output('read')).toEqual([{ title: 'Film' }])
  await graph.close()
})

test.each(['store-before-commit', 'store-after-commit'] as const)(
  'killed at %s, a second run converges',
  async (point) => {
    const path = join(dir, 'graph.lbug')
    const first = await open(path)
    await first.batch('Movie', new Map([[1n, film([ann], ['18|Drama'])]]))
    const before = await contents(first.database)
    await first.close()

    const rows = new Map([
      [1n, film([{ ...ann, key: 'b', person: 2n }], ['35|Comedy'])],
      [2n, film([ann])],
    ])
    const outputs = await outputsOf(duckdb, dir, 'Movie', rows)
    const child = runNode(killScript(point, path, outputs))
    expect(child.signal, child.stderr).toBe('SIGKILL')

    const landed = point === 'store-after-commit'
    const after = expected({ Movie: rows, TvSeries: new Map(), Person: new Map() })
    const sink = openSink('Movie', { path, duckdb: async () => duckdb, stagingDir: dir })
    const database = await openGraphDatabase({ path, mode: 'write' })
    expect((await sink.position('Movie')).position).toEqual(new Map([['silver', landed ? 2n : 1n]]))
    expect(await contents(database)).toEqual(landed ? after : before)
    expect(await commitTo(sink, 1, { pipeline: 'Movie', outputs })).toMatchObject({
      kind: landed ? 'already-committed' : 'committed',
    })
    expect(await contents(database)).toEqual(after)
    await sink.close()
    await database.close()
  },
)

function killScript(point: string, path: string, outputs: ReadonlyMap<string, readonly ParquetFile[]>): string {
  const plain = [...outputs].map(([input, files]) => [input, files.map((file) => ({ path: file.path }))])
  return `
    import { openDuckdb } from ${source('../../engine/duckdb.ts')}
    import { armFault } from ${source('../../engine/fault-points.ts')}
    import { commitTo, openSink } from ${source('./graph.testing.ts')}
    const duckdb = openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: ${JSON.stringify(dir)} })
    const sink = openSink('Movie', { path: ${JSON.stringify(path)}, duckdb: () => duckdb, stagingDir: ${JSON.stringify(dir)} })
    armFault({ point: '${point}', passage: 1, action: 'kill' })
    await commitTo(sink, 1, { pipeline: 'Movie', outputs: new Map(${JSON.stringify(plain)}) })`
}

function source(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href)
}

function runNode(script: string) {
  return spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], { encoding: 'utf8' })
}

test('a disk that is nearly full is refused before the graph is touched, and may be tried again', async () => {
  const path = join(dir, 'graph.lbug')
  await expect(openGraphDatabase({ path, mode: 'write', reserveBytes: 2 ** 60 })).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    retryable: true,
    message: expect.stringContaining('the disk is nearly full'),
  })
  expect(existsSync(path)).toBe(false)
})
