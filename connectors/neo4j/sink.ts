/** The graph in a Neo4j service: nodes, relationships and position in one transaction. */
import type {
  Clock,
  CommitOutcome,
  Ids,
  RefusedRow,
  RowRefusingSink,
  SinkCommit,
  WriteCounts,
} from '../../engine/contracts.ts'
import type { Connection, Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import { retryDelayMs } from '../../engine/retry.ts'
import { checkGraph } from '../graph/check.ts'
import type { GraphOptions } from '../graph/description.ts'
import { positionOf, refusalOf } from '../graph/sync/positions.ts'
import { type RefusedKey, refusedRows } from '../graph/sync/refused.ts'
import { relationshipsWithoutEnds } from '../graph/sync/relationships.ts'
import { writeBatch } from '../graph/sync/write-batch.ts'
import { ensureConstraints, growCatalog, lockGraph } from './catalog.ts'
import type { Neo4j, Neo4jTransaction } from './client.ts'
import { StatementRefused, withExchange } from './exchange.ts'
import { movePosition, readPositions } from './positions.ts'
import { findRefused } from './refused-rows.ts'

export interface Neo4jSinkOptions {
  readonly neo4j: Neo4j
  readonly description: GraphOptions
  /** Compares what comes with what is there. */
  readonly duckdb: () => Promise<Duckdb>
  /** An existing local folder for files that live as long as a commit. */
  readonly stagingDir: string
  readonly clock: Clock
  readonly ids: Pick<Ids, 'random'>
}

/** All of a commit but its last word: what is written and can be committed, or why nothing is. */
type Written =
  | { readonly kind: 'open'; readonly transaction: Neo4jTransaction; readonly counts: WriteCounts }
  | { readonly kind: 'ended'; readonly outcome: CommitOutcome }

/**
 * Keeps the graph equal to the input for the owners and nodes that each batch names, as the embedded store does. A row that was refused is not in
 * the graph, whatever stood there. Whoever writes waits for others who do, of this process or another. The client stays open: it is the process's.
 * `DEFINITION_INVALID` for a description that breaks a rule.
 */
export function neo4jSink(options: Neo4jSinkOptions): RowRefusingSink {
  checkGraph(options.description)
  const target: Target = { ...options, constrained: false }
  let prepared: { readonly txnId: string; readonly written: Written } | null = null
  const abandon = async (): Promise<void> => {
    const held = prepared?.written
    prepared = null
    if (held?.kind === 'open') await held.transaction.rollback()
  }
  return {
    name: 'store graph',
    delivery: 'exactly-once',
    position: async (pipeline) => positionOf(await readPositions(options.neo4j.run, pipeline)),
    async prepare(commit) {
      await abandon()
      const { written, refused } = await write(target, commit)
      prepared = { txnId: commit.txnId, written }
      return refused
    },
    abandon,
    async commit(commit) {
      faultPoint('sink-begin')
      if (prepared?.txnId !== commit.txnId) await abandon()
      const written = prepared?.written ?? (await writeAll(target, commit))
      prepared = null
      if (written.kind === 'ended') return written.outcome
      await end(written.transaction)
      faultPoint('store-after-commit')
      return { kind: 'committed', written: written.counts }
    },
    close: abandon,
  }
}

interface Target extends Neo4jSinkOptions {
  /** Whether the labels have their constraints, as far as is known. */
  constrained: boolean
}

async function end(transaction: Neo4jTransaction): Promise<void> {
  try {
    faultPoint('store-before-commit')
    await transaction.commit()
  } finally {
    await transaction.rollback()
  }
}

/** For whoever commits without having asked what is refused: a row that is, is an error. */
async function writeAll(target: Target, commit: SinkCommit): Promise<Written> {
  const { written, refused } = await write(target, commit)
  const [first] = refused
  if (first === undefined) return written
  if (written.kind === 'open') await written.transaction.rollback()
  throw new MillraceError(
    'SINK_FAILED',
    `neo4j refuses ${refused.length} rows, such as one of ${first.input}: ${first.message} (change the step before; nothing was written)`,
    { context: { input: first.input, rows: refused.length } },
  )
}

/** For what may pass within seconds: a deadlock with somebody who does not take our lock, a service that is just starting. */
const retries = { attempts: 5, firstDelayMs: 50, maxDelayMs: 2_000 } as const

/** Writes a batch but for what the service refuses of it. The transaction is open afterwards, if there is anything to commit. */
async function write(
  target: Target,
  commit: SinkCommit,
): Promise<{ readonly written: Written; readonly refused: readonly RefusedRow[] }> {
  const { neo4j, description, clock, ids } = target
  const duckdb = await target.duckdb()
  return duckdb.withConnection(async (sql) => {
    const refused: RefusedKey[] = []
    for (let attempt = 1; ; )
      try {
        if (!target.constrained) await ensureConstraints(neo4j, description)
        target.constrained = true
        const written = await attemptAt(target, commit, { sql, refused })
        return { written, refused: await refusedRows(sql, { options: description, outputs: commit.outputs }, refused) }
      } catch (error) {
        target.constrained = false // what answers next may be another service
        const found = await refusedBy(error, { neo4j, description, sql })
        if (found.length > 0) refused.push(...found)
        else {
          if (!isTransient(error) || attempt >= retries.attempts) throw error
          await clock.sleep(retryDelayMs(retries, attempt, ids.random()), commit.signal)
          if (commit.signal.aborted) throw error
          attempt += 1
        }
      }
  })
}

/** The rows that made an attempt fail, where that is why it failed. What it throws is another reason. */
async function refusedBy(
  error: unknown,
  { neo4j, description, sql }: Pick<Neo4jSinkOptions, 'neo4j' | 'description'> & { readonly sql: Connection },
): Promise<RefusedKey[]> {
  if (error instanceof StatementRefused) {
    const found = await findRefused(neo4j, sql, error)
    if (found.length === 0) throw error.cause
    return found
  }
  return relationshipsWithoutEnds(error, { sql, description })
}

/** The service itself says so; one that cannot be reached is the caller's to wait for. */
function isTransient(error: unknown): boolean {
  return error instanceof MillraceError && error.retryable && error.code === 'SINK_FAILED'
}

interface Attempt {
  readonly sql: Connection
  readonly refused: readonly RefusedKey[]
}

async function attemptAt(options: Neo4jSinkOptions, commit: SinkCommit, attempt: Attempt): Promise<Written> {
  const transaction = await options.neo4j.begin()
  try {
    const written = await writeIn(transaction, options, commit, attempt)
    if (written.kind === 'ended') await transaction.rollback()
    return written
  } catch (error) {
    await transaction.rollback()
    throw error
  }
}

async function writeIn(
  transaction: Neo4jTransaction,
  { description, stagingDir, clock }: Neo4jSinkOptions,
  commit: SinkCommit,
  { sql, refused }: Attempt,
): Promise<Written> {
  const { run } = transaction
  const [known, stored] = await Promise.all([
    lockGraph(run, `${commit.pipeline} ${commit.txnId}`),
    readPositions(run, commit.pipeline), // on its way already, and answered after the lock is taken
  ])
  const outcome = refusalOf(stored, commit)
  if (outcome !== null) return { kind: 'ended', outcome }
  const catalog = await growCatalog(run, known, description)
  const counts = await withExchange({ sql, run, stagingDir }, (exchange) =>
    writeBatch({ exchange, options: description, catalog, outputs: commit.outputs, refused }),
  )
  await movePosition(run, commit, { stored, written: counts, nowMs: clock.nowMs() })
  return { kind: 'open', transaction, counts }
}
