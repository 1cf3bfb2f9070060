/** What every sink for graphs promises, as tests that each store's run: the graph is a function of the rows, written once. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Sink } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import {
  commitTo,
  expected,
  outputsOf,
  type Person,
  type PipelineName,
  type Rows,
  type State,
  type Title,
} from './films.testing.ts'

/** A store under test, empty at first. */
export interface GraphSubject {
  /** Opens a pipeline's sink. */
  sink(pipeline: PipelineName): Sink
  /** As of `contents`. */
  contents(): Promise<string[]>
  /** Takes the totals away from all positions, as if an earlier version had written them. */
  forgetTotals(): Promise<void>
  /** A module's text that defines `sink`, opened over the same store for the pipeline Movie; `duckdb` and `dir` are defined. */
  readonly childsSink: string
  /** Lets go of the store, so that another process may have it; it is opened again when next used. */
  release(): Promise<void>
  close(): Promise<void>
}

/** Where a subject keeps its files, and what its sinks compare with. */
export interface SubjectOptions {
  readonly dir: string
  readonly duckdb: () => Promise<Duckdb>
}

/** A JavaScript text for a module of the project. */
export function moduleUrl(path: string, from: string): string {
  return JSON.stringify(new URL(path, from).href)
}

/** Runs a TypeScript module in a process of its own. */
export function runNode(script: string) {
  return spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], { encoding: 'utf8' })
}

/** One of a title's credits, and a title of credits and genres. */
export const ann = { type: 'ACTED_IN', key: 'a', person: 1n, personName: 'Ann', role: 'Captain' } as const
export const film = (credits: Title['credits'], genres: readonly string[] = []): Title => ({
  name: 'Film',
  credits,
  genres,
})

/** A subject fed by its pipelines, beside a plain model of what it must hold. */
export interface FedGraph {
  readonly subject: GraphSubject
  readonly state: State
  /** Commits one batch of a pipeline at its next position, and to the model. */
  batch(pipeline: PipelineName, rows: Rows<Title | Person>): ReturnType<typeof commitTo>
  close(): Promise<void>
}

/** Feeds a subject. */
export function feed(subject: GraphSubject, { dir, duckdb }: SubjectOptions): FedGraph {
  const sinks = new Map<PipelineName, Sink>()
  const at = { Movie: 0, TvSeries: 0, Person: 0 }
  const state: State = { Movie: new Map(), TvSeries: new Map(), Person: new Map() }
  return {
    subject,
    state,
    async batch(pipeline, rows) {
      const outputs = await outputsOf(await duckdb(), dir, pipeline, rows)
      const sink = sinks.get(pipeline) ?? subject.sink(pipeline)
      sinks.set(pipeline, sink)
      const outcome = await commitTo(sink, at[pipeline], { pipeline, outputs })
      at[pipeline] += 1
      for (const [id, row] of rows)
        if (row === null) state[pipeline].delete(id)
        else (state[pipeline] as Map<bigint, Title | Person>).set(id, row)
      return outcome
    },
    async close() {
      for (const sink of sinks.values()) await sink.close()
      await subject.close()
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

/** Registers the tests. */
export function sinkPromises(open: (options: SubjectOptions) => Promise<GraphSubject>): void {
  let database: Duckdb
  let options: SubjectOptions
  beforeAll(async () => {
    database = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: tmpdir() })
  })
  afterAll(() => database.close())
  beforeEach(() => {
    options = { dir: mkdtempSync(join(tmpdir(), 'millrace-graph-')), duckdb: async () => database }
  })
  afterEach(() => {
    armFault(null)
    rmSync(options.dir, { recursive: true, force: true })
  })
  const fed = async (): Promise<FedGraph> => feed(await open(options), options)
  const outputs = (rows: Rows<Title>): Promise<Map<string, ParquetFile[]>> =>
    outputsOf(database, options.dir, 'Movie', rows)

  test('after every batch the graph is a function of the rows, whatever the cuts, the order and the failures', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const graph = await fed()
        try {
          for (const {
            batch: { pipeline, rows },
            fails,
          } of steps) {
            if (fails) {
              armFault({ point: 'store-before-commit', passage: 1, action: 'throw' })
              await expect(graph.batch(pipeline, rows)).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
              armFault(null)
              expect(await graph.subject.contents()).toEqual(expected(graph.state))
            }
            expect(await graph.batch(pipeline, rows)).toMatchObject({ kind: 'committed' })
            expect(await graph.subject.contents()).toEqual(expected(graph.state))
          }
        } finally {
          await graph.close()
        }
      }),
      { numRuns: 5 },
    )
  }, 240_000) // a service plans each statement anew

  test('only what differs is written, and counted', async () => {
    const graph = await fed()
    const bob = { ...ann, key: 'b', person: 2n, personName: 'Bob' }
    const first = new Map([[1n, film([ann, bob], ['18|Drama'])]])
    expect(await graph.batch('Movie', first)).toMatchObject({
      written: {
        nodesWritten: 1,
        relationshipsWritten: 3,
        relationshipsRemoved: 0,
        ownersRewritten: 0,
        stubsCreated: 3,
      },
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
    const carol = { ...ann, key: 'c', person: 3n, personName: 'Carol' }
    const third = new Map([[1n, film([{ ...ann, role: 'Admiral' }, bob, carol], ['18|Drama'])]])
    expect(await graph.batch('Movie', third), 'an owner counts once').toMatchObject({
      written: { relationshipsWritten: 2, relationshipsRemoved: 0, ownersRewritten: 1, stubsCreated: 2 },
    })
    expect(await graph.batch('Movie', second)).toMatchObject({
      written: { relationshipsWritten: 0, relationshipsRemoved: 2, ownersRewritten: 1, stubsRemoved: 2 },
    })
    await graph.batch('Person', new Map([[1n, { name: 'Anna', birthday: '1990-01-01' }]]))
    expect(await graph.batch('Person', new Map([[1n, null]]))).toMatchObject({
      written: { nodesRemoved: 1, stubsCreated: 1, stubsRemoved: 0 },
    })
    expect(await graph.batch('Movie', new Map([[1n, null]]))).toMatchObject({
      written: { nodesRemoved: 1, relationshipsRemoved: 2, ownersRewritten: 0, stubsRemoved: 2 },
    })
    expect(await graph.subject.contents()).toEqual([])
    await graph.close()
  })

  test('totals are the sums of all commits, whatever is found committed, and begin anew in a graph of an earlier version', async () => {
    const graph = await fed()
    const sink = graph.subject.sink('Movie')
    await graph.batch('Movie', new Map([[1n, film([ann])]]))
    const first = (await sink.position('Movie')).totals
    expect(first).toMatchObject({ nodesWritten: 1, stubsCreated: 1 })
    const again = await outputs(new Map([[1n, film([ann])]]))
    expect(await commitTo(sink, 0, { pipeline: 'Movie', outputs: again })).toMatchObject({ kind: 'already-committed' })
    expect((await sink.position('Movie')).totals).toEqual(first)
    await graph.batch('Movie', new Map([[2n, film([ann])]]))
    expect((await sink.position('Movie')).totals).toMatchObject({ nodesWritten: 2, stubsCreated: 1 })

    await graph.subject.forgetTotals()
    expect(await sink.position('Movie')).toEqual({ position: new Map([['silver', 2n]]), fingerprint: 'f' })
    await graph.batch('Movie', new Map([[3n, film([])]]))
    expect((await sink.position('Movie')).totals).toMatchObject({ nodesWritten: 1 })
    await sink.close()
    await graph.close()
  })

  test('a fenced commit writes nothing and our own commit is recognised', async () => {
    const graph = await fed()
    await graph.batch('Movie', new Map([[1n, film([ann])]]))
    const sink = graph.subject.sink('Movie')
    const second = await outputs(new Map([[2n, film([ann])]]))
    expect(await commitTo(sink, 0, { pipeline: 'Movie', outputs: second, txnId: 'other' })).toEqual({
      kind: 'fenced',
      position: new Map([['silver', 1n]]),
    })
    expect(await commitTo(sink, 0, { pipeline: 'Movie', outputs: second })).toMatchObject({
      kind: 'already-committed',
      written: { nodesWritten: 1 },
    })
    expect(await graph.subject.contents()).toEqual(expected(graph.state))
    expect(await sink.position('Movie')).toMatchObject({ position: new Map([['silver', 1n]]), fingerprint: 'f' })
    expect(await sink.position('TvSeries')).toEqual({ position: new Map(), fingerprint: null })
    await sink.close()
    await graph.close()
  })

  test('a relationship to a node that is not there is refused, and nothing is written', async () => {
    const graph = await fed()
    const given = await outputs(new Map([[1n, film([ann])]]))
    given.delete('nodes')
    const sink = graph.subject.sink('Movie')
    await expect(commitTo(sink, 0, { pipeline: 'Movie', outputs: given })).rejects.toMatchObject({
      code: 'SINK_FAILED',
      message: expect.stringContaining('relationship ACTED_IN joins Movie 1 (one of 1), which is not in the graph'),
    })
    expect(await graph.subject.contents()).toEqual([])
    await sink.close()
    await graph.close()
  })

  test.each(['sink-begin', 'store-before-commit', 'store-after-commit'] as const)(
    'killed at %s, a second run converges',
    async (point) => {
      const graph = await fed()
      await graph.batch('Movie', new Map([[1n, film([ann], ['18|Drama'])]]))
      const before = await graph.subject.contents()
      await graph.subject.release()

      const rows = new Map([
        [1n, film([{ ...ann, key: 'b', person: 2n }], ['35|Comedy'])],
        [2n, film([ann])],
      ])
      const given = await outputs(rows)
      const child = runNode(killScript(point, { dir: options.dir, sink: graph.subject.childsSink, outputs: given }))
      expect(child.signal, child.stderr).toBe('SIGKILL')

      const landed = point === 'store-after-commit'
      const after = expected({ Movie: rows, TvSeries: new Map(), Person: new Map() })
      const sink = graph.subject.sink('Movie')
      expect((await sink.position('Movie')).position).toEqual(new Map([['silver', landed ? 2n : 1n]]))
      expect(await graph.subject.contents()).toEqual(landed ? after : before)
      expect(await commitTo(sink, 1, { pipeline: 'Movie', outputs: given })).toMatchObject({
        kind: landed ? 'already-committed' : 'committed',
      })
      expect(await graph.subject.contents()).toEqual(after)
      await sink.close()
      await graph.close()
    },
  )
}

function killScript(
  point: string,
  given: { readonly dir: string; readonly sink: string; readonly outputs: ReadonlyMap<string, readonly ParquetFile[]> },
): string {
  const plain = [...given.outputs].map(([input, files]) => [input, files.map((file) => ({ path: file.path }))])
  const url = (path: string) => moduleUrl(path, import.meta.url)
  return `
    import { openDuckdb } from ${url('../../engine/duckdb.ts')}
    import { armFault } from ${url('../../engine/fault-points.ts')}
    import { commitTo, describe } from ${url('./films.testing.ts')}
    const dir = ${JSON.stringify(given.dir)}
    const database = openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: dir })
    const duckdb = () => database
    ${given.sink}
    armFault({ point: '${point}', passage: 1, action: 'kill' })
    const commit = { pipeline: 'Movie', outputs: new Map(${JSON.stringify(plain)}) }
    await sink.prepare?.({ ...commit, txnId: 't1', fingerprint: 'f', ranges: [{ sourcePartition: 'silver', start: 1n, end: 2n }],
      initial: new Map(), columns: new Map(), signal: new AbortController().signal })
    await commitTo(sink, 1, commit)`
}
