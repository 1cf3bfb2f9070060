/**
 * Writers of one table in every order: appends, merges and deletes by both ways, and optimizes meet on a store whose every
 * request waits for its turn, and which now and then does what it was asked and then fails. What the table holds in the end must be
 * what the operations give one after another, in the order of their commits: each once, whatever its writer was told. And what is in
 * the log keeps the rules of the protocol.
 *
 *   node checks/log-simulation.ts [--schedules 10000] [--commits 10000] [--seed N]
 *
 * Then so many appends through a store that loses one answer in five: none is doubled, and none fails that is there. One JSON
 * line; exit 1 with the seed of the schedule if anything is wrong.
 */
import { parseArgs } from 'node:util'
import { createActions } from '../connectors/delta/create.ts'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import { lintTable } from '../connectors/delta/lint/lint.ts'
import { formatFinding } from '../connectors/delta/lint/lint-lake.ts'
import type { DeltaTable } from '../connectors/delta/table.ts'
import { memoryStore } from '../connectors/storage/memory.ts'
import type { Clock, ObjectStore } from '../engine/contracts.ts'
import { apply, attempt, type Operation, rowsOf, type Writer } from './log-simulation-table.ts'
import { type Draw, seededDraw } from './random.ts'

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '10000' },
    commits: { type: 'string', default: '10000' },
    seed: { type: 'string' },
  },
})
const firstSeed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
const report = { check: 'log-simulation', seed: firstSeed, schedules: 0, operations: 0, conflicts: 0, lostAnswers: 0 }
for (let i = 0; i < Number(values.schedules); i++) {
  await runSchedule(firstSeed + i).catch((error: unknown) => {
    console.error(`schedule with --seed ${firstSeed + i}: ${String(error)}`)
    process.exit(1)
  })
  report.schedules += 1
}
console.log(JSON.stringify({ ...report, ambiguous: await ambiguousCommits(Number(values.commits), firstSeed) }))

/** Requests wait here until it is their turn. */
interface Turns {
  wait(): Promise<void>
  /** Lets one after another go, in an order that is drawn, until all work has ended. */
  run(work: readonly Promise<void>[]): Promise<void>
}

function openTurns(draw: Draw): Turns {
  const waiting: (() => void)[] = []
  return {
    wait: () => new Promise((resolve) => waiting.push(resolve)),
    async run(work) {
      let ended = false
      const all = Promise.all(work).finally(() => {
        ended = true
      })
      all.catch(() => {}) // thrown below
      while (!ended) {
        await new Promise((resolve) => setImmediate(resolve))
        waiting.splice(draw(Math.max(1, waiting.length)), 1)[0]?.()
      }
      await all
    },
  }
}

/** The store with turns. */
function taking(store: ObjectStore, turns: Turns): ObjectStore {
  return {
    ...store,
    async get(key) {
      await turns.wait()
      return store.get(key)
    },
    async putIfAbsent(key, body) {
      await turns.wait()
      return store.putIfAbsent(key, body)
    },
  }
}

/** The store with one write in five done and its answer lost. */
function losing(store: ObjectStore, draw: Draw): ObjectStore {
  return {
    ...store,
    async putIfAbsent(key, body) {
      const created = await store.putIfAbsent(key, body)
      if (draw(5) > 0) return created
      report.lostAnswers += 1
      throw new Error('connection reset before the answer')
    },
  }
}

async function runSchedule(seed: number): Promise<void> {
  const draw = seededDraw(seed)
  const turns = openTurns(draw)
  const store = memoryStore()
  await create(store)
  const lossy = draw(2) > 0
  const committed: { readonly version: bigint; readonly operation: Operation }[] = []
  let nextKey = 0
  const operations = (): Operation[] =>
    Array.from({ length: 1 + draw(3) }, () => {
      const keys = [...new Set(Array.from({ length: 1 + draw(2) }, () => draw(6)))]
      const marking = draw(2) === 0
      switch (draw(6)) {
        case 0:
        case 1:
          return { kind: 'append', rows: new Map(Array.from({ length: 1 + draw(2) }, () => [nextKey++, 0])) }
        case 2:
        case 3:
          return { kind: 'increment', keys, marking }
        case 4:
          return { kind: 'delete', keys, marking }
        default:
          return { kind: 'optimize' }
      }
    })
  const writers = Array.from({ length: 2 + draw(3) }, async (_, i) => {
    const table = open(taking(lossy ? losing(store, draw) : store, turns), draw, turns)
    const writer: Writer = { table, name: `w${i}`, next: 0 }
    for (const operation of operations()) {
      report.operations += 1
      committed.push({ version: await untilDone(writer, operation), operation })
    }
  })
  await turns.run(writers)
  await compare(store, committed)
}

/** Tries again after conflicts, as sinks do. */
async function untilDone(writer: Writer, operation: Operation): Promise<bigint> {
  for (let tries = 0; tries < 100; tries++) {
    const result = await attempt(writer, operation)
    if (result.kind === 'committed' || result.kind === 'already-committed') return result.version
    if (result.kind === 'refused') throw new Error(`${operation.kind} was refused`)
    report.conflicts += 1
  }
  throw new Error(`${operation.kind} met a conflict 100 times`)
}

async function compare(
  store: ObjectStore,
  committed: readonly { readonly version: bigint; readonly operation: Operation }[],
): Promise<void> {
  const snapshot = (await open(store, seededDraw(0)).snapshot())!
  const versions = new Set(committed.map(({ version }) => version))
  if (versions.size !== committed.length || snapshot.version !== BigInt(committed.length))
    throw new Error(`${committed.length} operations made ${snapshot.version} versions`)
  const expected = new Map<number, number>()
  for (const { operation } of committed.toSorted((a, b) => Number(a.version - b.version))) apply(expected, operation)
  const [ours, theirs] = [rowsOf(await snapshot.files()), expected].map((rows) =>
    JSON.stringify([...rows].sort((a, b) => a[0] - b[0])),
  )
  if (ours !== theirs) throw new Error(`the table holds ${ours}, one operation after another gives ${theirs}`)
  await assertRules(store)
}

/** Appends of two writers through a store that loses one answer in five. */
async function ambiguousCommits(commits: number, seed: number) {
  const draw = seededDraw(seed)
  const store = memoryStore()
  await create(store)
  const answers: Record<string, number> = {}
  const work = async (name: string) => {
    const writer: Writer = { table: open(losing(store, draw), draw), name, next: 0 }
    for (let i = 0; i < commits / 2; i++) {
      const { kind } = await attempt(writer, { kind: 'append', rows: new Map([[i * 2 + (name === 'a' ? 0 : 1), 0]]) })
      answers[kind] = (answers[kind] ?? 0) + 1
    }
  }
  await Promise.all([work('a'), work('b')])
  const snapshot = (await open(store, draw).snapshot())!
  const rows = rowsOf(await snapshot.files()).size // throws if one is there twice
  await assertRules(store)
  if (rows !== commits || snapshot.version !== BigInt(commits)) throw new Error(`${commits} commits left ${rows} rows`)
  return { commits, answers }
}

/** What writers left in the log keeps the rules of the protocol. */
async function assertRules(store: ObjectStore): Promise<void> {
  const findings = await lintTable({ store, table: 't' })
  // a deletion vector here is a list of keys, no bitmap
  const wrong = findings.filter(({ rule }) => rule !== 'vector-malformed')
  if (wrong.length > 0) throw new Error(`the log breaks rules of the protocol: ${wrong.map(formatFinding).join('; ')}`)
}

async function create(store: ObjectStore): Promise<void> {
  const columns = [{ name: 'key', type: 'long' }] as const
  const actions = createActions({ columns, changeFeed: false, deletionVectors: true, id: 'simulated', nowMs: 0 })
  const reads = { kind: 'blind-append' } as const
  const create = { snapshot: null, actions, reads, operation: 'CREATE', txnId: 'create', admits: () => true }
  const { kind } = await open(store, seededDraw(0)).commit(create)
  if (kind !== 'committed') throw new Error(`the table was not created: ${kind}`)
}

function open(store: ObjectStore, draw: Draw, turns?: Turns): DeltaTable {
  const clock: Clock = { nowMs: () => 0, sleep: async () => turns?.wait() }
  return openDeltaTable({
    store,
    path: 't',
    duckdb: () => Promise.reject(new Error('nothing is read or written but the log')),
    clock,
    ids: { uuid: () => 'none', random: () => draw(1000) / 1000 },
    stagingDir: '/nonexistent',
    checkpointInterval: 1_000_000,
  })
}
