/** The graph in an embedded Ladybug file: nodes, relationships and position in one transaction. */
import { existsSync } from 'node:fs'
import type { Clock, CommitOutcome, Sink, SinkCommit } from '../../engine/contracts.ts'
import { writeFailure } from '../../engine/disk-full.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { Patience } from '../../engine/shared-file/waiting.ts'
import { checkGraph } from '../graph/check.ts'
import type { GraphOptions } from '../graph/description.ts'
import { positionOf, refusalOf } from '../graph/sync/positions.ts'
import { writeBatch } from '../graph/sync/write-batch.ts'
import { growSchema } from './catalog.ts'
import { type GraphDatabase, openGraphDatabase } from './database.ts'
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
 * of all pipelines that write to it, whatever their order and the cuts between batches. Any number of processes may write to it, in turn.
 * `DEFINITION_INVALID` for a description that breaks a rule.
 */
export function graphSink(options: GraphSinkOptions): Sink {
  checkGraph(options.description)
  let opened: Promise<GraphDatabase> | null = null
  const database = (): Promise<GraphDatabase> => {
    opened ??= openGraphDatabase({ ...options, mode: 'write' }).catch((error: unknown) => {
      opened = null
      throw error
    })
    return opened
  }
  return {
    name: 'store graph',
    delivery: 'exactly-once',
    position: async (pipeline) => {
      const graph = await database()
      return existsSync(graph.path) ? positionOf(await readPositions(graph.read, pipeline)) : positionOf([])
    },
    commit: async (commit) => {
      faultPoint('sink-begin')
      const outcome = await commitGraph(await database(), options, commit)
      if (outcome.kind === 'committed') faultPoint('store-after-commit')
      return outcome
    },
    async close() {}, // other sinks may use the file: it is let go of when nobody does
  }
}

async function commitGraph(
  database: GraphDatabase,
  options: GraphSinkOptions,
  commit: SinkCommit,
): Promise<CommitOutcome> {
  try {
    const duckdb = await options.duckdb()
    return await duckdb.withConnection((sql) =>
      database.transaction(
        (run) => growSchema(run, options.description),
        async (transaction, catalog) => {
          const stored = await readPositions(transaction.run, commit.pipeline)
          const refused = refusalOf(stored, commit)
          if (refused !== null) {
            await transaction.rollback()
            return refused
          }
          const { run } = transaction
          return withExchange({ sql, run, stagingDir: options.stagingDir }, async (exchange) => {
            const written = await writeBatch({
              exchange,
              options: options.description,
              catalog,
              outputs: commit.outputs,
            })
            await movePosition(run, commit, { stored, written, nowMs: options.clock.nowMs() })
            faultPoint('store-before-commit')
            return { kind: 'committed', written } as const
          })
        },
        commit.signal,
      ),
    )
  } catch (error) {
    throw writeFailure(`commit to graph store ${options.path} failed, nothing was written`, error, {
      path: options.path,
    })
  }
}
