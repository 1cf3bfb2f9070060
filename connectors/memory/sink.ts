/** Rows gathered in memory, with positions and scripted outcomes, for tests and examples. */
import { admits } from '../../checkpoints/fence.ts'
import { endOf } from '../../checkpoints/position.ts'
import type {
  CommitOutcome,
  Position,
  RefusedRow,
  Sink,
  SinkCommit,
  SinkPosition,
  WriteCounts,
} from '../../engine/contracts.ts'
import { type Duckdb, parquetRows, type Row } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'

/**
 * What one commit shall come to: `commit` as usual; `fail` before anything happened (retryable); `lose-answer`, an
 * error (retryable) after the commit took effect; `fence` and `conflict` as those outcomes.
 */
export type ScriptedCommit = 'commit' | 'fail' | 'lose-answer' | 'fence' | 'conflict'

export interface MemorySinkOptions {
  readonly duckdb: Duckdb
  readonly name?: string
  /** One entry per call of `commit`, in order; `commit` when it has run out. */
  readonly script?: readonly ScriptedCommit[]
  /** Why a row is not taken, for what is in it; null: it is. By default all are. */
  readonly refuses?: (row: Row) => string | null
}

/** A sink, and a look at what it holds. */
export interface MemorySink {
  readonly sink: Sink
  /** Rows committed for one input, in the order of commits, files and rows. */
  rows(input?: string): readonly Row[]
}

interface Held extends SinkPosition {
  readonly txnId: string
  readonly written: WriteCounts
}

/** Exactly once as long as the process lives: rows and position change together. */
export function memorySink(options: MemorySinkOptions): MemorySink {
  const rows = new Map<string, Row[]>()
  const held = new Map<string, Held>()
  const script = [...(options.script ?? [])]
  const name = options.name ?? 'memory'
  const refuses = options.refuses ?? (() => null)
  let prepared: string | null = null

  async function prepare(batch: SinkCommit): Promise<RefusedRow[]> {
    prepared = batch.txnId
    const refused: RefusedRow[] = []
    for (const [input, its] of await rowsOf(options.duckdb, batch))
      for (const row of its) {
        const message = refuses(row)
        if (message !== null) refused.push({ input, row: jsonOf(row), message })
      }
    return refused
  }

  async function commit(batch: SinkCommit): Promise<CommitOutcome> {
    const scripted = script.shift() ?? 'commit'
    const before = held.get(batch.pipeline)
    const position: Position = before?.position ?? new Map()
    if (scripted === 'fail') throw failure(name, 'before')
    if (scripted === 'conflict') return { kind: 'conflict', message: `${name} conflicts as scripted` }
    if (before?.txnId === batch.txnId) return { kind: 'already-committed', written: before.written }
    if (scripted === 'fence' || !admits(position, batch.ranges, batch.initial)) return { kind: 'fenced', position }
    const added = new Map<string, readonly Row[]>()
    for (const [input, its] of await rowsOf(options.duckdb, batch)) {
      const taken = its.filter((row) => refuses(row) === null)
      if (taken.length < its.length && prepared !== batch.txnId) throw failure(name, 'before')
      added.set(input, taken)
    }
    const written = Object.fromEntries([...added].map(([input, its]) => [input, its.length]))
    for (const [input, its] of added) rows.set(input, [...(rows.get(input) ?? []), ...its])
    const { fingerprint, txnId } = batch
    held.set(batch.pipeline, { position: new Map([...position, ...endOf(batch.ranges)]), fingerprint, txnId, written })
    if (scripted === 'lose-answer') throw failure(name, 'after')
    return { kind: 'committed', written }
  }

  return {
    sink: {
      name,
      delivery: 'exactly-once',
      async position(pipeline) {
        const { position, fingerprint } = held.get(pipeline) ?? { position: new Map(), fingerprint: null }
        return { position, fingerprint }
      },
      prepare,
      async abandon() {
        prepared = null
      },
      commit,
      async close() {},
    },
    rows: (input = 'rows') => rows.get(input) ?? [],
  }
}

function jsonOf(row: Row): string {
  return JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

function failure(name: string, when: 'before' | 'after'): MillraceError {
  return new MillraceError('SINK_FAILED', `${name} fails ${when} its commit as scripted (try again)`, {
    retryable: true,
  })
}

async function rowsOf(duckdb: Duckdb, { outputs }: SinkCommit): Promise<ReadonlyMap<string, readonly Row[]>> {
  const added = new Map<string, Row[]>()
  await duckdb.withConnection(async (connection) => {
    for (const [input, files] of outputs) {
      const its: Row[] = []
      for (const { path } of files) {
        const from = parquetRows([path], 'file_row_number = true')
        its.push(...(await connection.rows(`SELECT * EXCLUDE (file_row_number) FROM ${from} ORDER BY file_row_number`)))
      }
      added.set(input, its)
    }
  })
  return added
}
