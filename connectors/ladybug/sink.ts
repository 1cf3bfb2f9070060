/** The graph in an embedded Ladybug file: nodes, relationships and position in one transaction. */
import { existsSync } from 'node:fs'
import type { Clock, CommitOutcome, RefusedRow, RowRefusingSink, SinkCommit } from '../../engine/contracts.ts'
import { writeFailure } from '../../engine/disk-full.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { Patience } from '../../engine/shared-file/waiting.ts'
import { checkGraph } from '../graph/check.ts'
import type { GraphOptions } from '../graph/description.ts'
import type { Catalog } from '../graph/sync/catalog.ts'
import { positionOf, refusalOf } from '../graph/sync/positions.ts'
import { type RefusedKey, refusedRows } from '../graph/sync/refused.ts'
import { relationshipsWithoutEnds } from '../graph/sync/relationships.ts'
import { writeBatch } from '../graph/sync/write-batch.ts'
import { growSchema } from './catalog.ts'
import { type GraphDatabase, openGraphDatabase, type RunCypher } from './database.ts'
import { withExchange } from './exchange.ts'
import { movePosition, readPositions } from './positions.ts'

export interface GraphSinkOptions {
  /** The graph's file; its folder is made when needed. */
  readonly path: string
  readonly description: GraphOptions
  readonly duckdb: () => Promise<Duckdb>
  /** An existing local folder for files that live as long as a commit. */
  readonly stagingDir: string
  readonly clock: Clock
  readonly bufferPoolBytes?: number
  readonly patience?: Partial<Patience>
}

/**
 * Keeps the graph equal to the input for the owners and nodes that each batch names. The graph is a function of the rows
 * of all pipelines that write to it, whatever their order and the cuts between batches. Any number of processes may write to it, in turn: a batch
 * that is prepared has its turn until it is committed or abandoned. One thing depends on the cuts: refused are relationships to nodes of the description that
 * are not there yet, so whatever fills those nodes must come before.
 * `DEFINITION_INVALID` for a description that breaks a rule.
 */
export function graphSink(options: GraphSinkOptions): RowRefusingSink {
  checkGraph(options.description)
  let opened: Promise<GraphDatabase> | null = null
  const database = (): Promise<GraphDatabase> => {
    opened ??= openGraphDatabase({ ...options, mode: 'write' }).catch((error: unknown) => {
      opened = null
      throw error
    })
    return opened
  }
  let prepared: { readonly txnId: string; readonly begun: Begun } | null = null
  const abandon = async (): Promise<void> => {
    const begun = prepared?.begun
    prepared = null
    await begun?.end('rollback')
  }
  return {
    name: 'store graph',
    delivery: 'exactly-once',
    position: async (pipeline) => {
      const graph = await database()
      return existsSync(graph.path) ? positionOf(await readPositions(graph.read, pipeline)) : positionOf([])
    },
    async prepare(commit) {
      await abandon()
      const graph = await database()
      if (isHeldBy(commit.pipeline, graph.path)) return [] // its other sink has the graph's turn until its own commit
      const begun = await begin(graph, options, commit)
      prepared = { txnId: commit.txnId, begun }
      return begun.refused
    },
    abandon,
    async commit(commit) {
      faultPoint('sink-begin')
      if (prepared?.txnId !== commit.txnId) await abandon()
      const begun = prepared?.begun ?? (await beginWhole(await database(), options, commit))
      prepared = null
      const outcome = (await begun.end('commit'))!
      if (outcome.kind === 'committed') faultPoint('store-after-commit')
      return outcome
    },
    close: abandon, // other sinks may use the file: it is let go of when nobody does
  }
}

/** A batch that is written but for its last word, in a transaction that is open until then; or one that must not be written. */
interface Begun {
  readonly refused: readonly RefusedRow[]
  /** What became of the batch; null after a rollback. */
  end(how: 'commit' | 'rollback'): Promise<CommitOutcome | null>
}

/** Pipelines of this process that have a transaction open, by path: a second one of the same pipeline would wait for itself. */
const holders = new Map<string, Set<string>>()

function isHeldBy(pipeline: string, path: string): boolean {
  return holders.get(path)?.has(pipeline) === true
}

/** For whoever commits without having asked what is refused: a row that is, is an error. */
async function beginWhole(database: GraphDatabase, options: GraphSinkOptions, commit: SinkCommit): Promise<Begun> {
  const begun = await begin(database, options, commit)
  const [first] = begun.refused
  if (first === undefined) return begun
  await begun.end('rollback')
  throw new MillraceError(
    'SINK_FAILED',
    `graph store refuses ${begun.refused.length} rows, such as one of ${first.input}: ${first.message} (change the step before; nothing was written)`,
    { context: { input: first.input, rows: begun.refused.length } },
  )
}

async function begin(database: GraphDatabase, options: GraphSinkOptions, commit: SinkCommit): Promise<Begun> {
  const written = Promise.withResolvers<readonly RefusedRow[]>()
  const decided = Promise.withResolvers<'commit' | 'rollback'>()
  const pipelines = holders.get(database.path) ?? new Set()
  const ended = database
    .transaction(
      (run) => growSchema(run, options.description),
      async (transaction, catalog): Promise<CommitOutcome | null> => {
        holders.set(database.path, pipelines.add(commit.pipeline))
        const { outcome, refused } = await writeIn(transaction.run, { catalog, options, commit })
        written.resolve(refused)
        if (outcome.kind === 'committed' && (await decided.promise) === 'commit') {
          faultPoint('store-before-commit')
          return outcome
        }
        await transaction.rollback()
        return outcome.kind === 'committed' ? null : outcome
      },
      commit.signal,
    )
    .catch((error: unknown) => {
      const { path } = options
      throw writeFailure(`commit to graph store ${path} failed, nothing was written`, error, { path })
    })
    .finally(() => pipelines.delete(commit.pipeline))
  ended.catch(written.reject)
  const refused = await written.promise
  return {
    refused,
    end(how) {
      decided.resolve(how)
      return how === 'commit' ? ended : ended.catch(() => null)
    },
  }
}

/** All of a commit but its last word; `committed` is what is to become of it then. */
async function writeIn(
  run: RunCypher,
  {
    catalog,
    options: { description, stagingDir, duckdb, clock },
    commit,
  }: { readonly catalog: Catalog; readonly options: GraphSinkOptions; readonly commit: SinkCommit },
): Promise<{ readonly outcome: CommitOutcome; readonly refused: readonly RefusedRow[] }> {
  const stored = await readPositions(run, commit.pipeline)
  const outcome = refusalOf(stored, commit)
  if (outcome !== null) return { outcome, refused: [] }
  const { outputs } = commit
  return (await duckdb()).withConnection(async (sql) => {
    const refused: RefusedKey[] = []
    const written = await withExchange({ sql, run, stagingDir }, async (exchange) => {
      for (;;)
        try {
          return await writeBatch({ exchange, options: description, catalog, outputs, refused })
        } catch (error) {
          const found = await relationshipsWithoutEnds(error, { sql, description })
          if (found.length === 0) throw error
          refused.push(...found) // they are told before anything is written
        }
    })
    await movePosition(run, commit, { stored, written, nowMs: clock.nowMs() })
    const rows = await refusedRows(sql, { options: description, outputs }, refused)
    return { outcome: { kind: 'committed', written }, refused: rows }
  })
}
