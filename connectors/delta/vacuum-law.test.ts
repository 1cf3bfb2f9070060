/**
 * Writers, vacuums and a reader of one table in every order, on a store whose every request waits for its turn, with a clock
 * that now and then leaps, as it does for a process that was suspended. Files hold nothing: what is looked at is whether they are there.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Clock, Ids, ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { memoryStore } from '../storage/memory.ts'
import type { Action } from './actions.ts'
import { commitPublished } from './commit-published.ts'
import { createActions } from './create.ts'
import { openDeltaTable } from './delta-table.ts'
import { keysOf } from './file-keys.ts'
import { registerReader } from './readers.ts'
import type { DeltaTable, Snapshot } from './table.ts'
import { dropPublished, removalOf, type WritePlace, writeTarget } from './table-write.ts'
import { addAction, countingIds, tableOptions, transaction } from './tables.testing.ts'
import { keysIn } from './unneeded-files.ts'
import { vacuumTable } from './vacuum.ts'

const minute = 60_000
const retention = 15 * minute

interface World {
  readonly store: ObjectStore
  readonly clock: Clock & { nowMs(): number }
  readonly ids: Ids
  /** Lets one request after another go until all work has ended; time passes between them. */
  run(work: readonly Promise<void>[]): Promise<void>
}

/** A store whose objects are dated by the clock, and whose requests wait. */
function openWorld(seed: number): World {
  const ids = countingIds(seed)
  const inner = memoryStore()
  const dates = new Map<string, number>()
  const waiting: (() => void)[] = []
  const turn = () => new Promise<void>((resolve) => waiting.push(resolve))
  let nowMs = 1_800_000_000_000
  const clock = { nowMs: () => nowMs, sleep: turn }
  const store: ObjectStore = {
    ...inner,
    async get(key) {
      await turn()
      return inner.get(key)
    },
    async *list(prefix, startAfter) {
      await turn()
      const found = []
      for await (const info of inner.list(prefix, startAfter)) found.push(info)
      for (const info of found) yield { ...info, modifiedMs: dates.get(info.key)! }
    },
    async putIfAbsent(key, body) {
      await turn()
      if (!(await inner.putIfAbsent(key, body))) return false
      dates.set(key, nowMs)
      return true
    },
    async put(key, body) {
      await turn()
      await inner.put(key, body)
      dates.set(key, nowMs)
    },
    async delete(key) {
      await turn()
      await inner.delete(key)
    },
  }
  return {
    store,
    clock,
    ids,
    async run(work) {
      let ended = false
      const all = Promise.all(work).finally(() => {
        ended = true
      })
      all.catch(() => {}) // thrown below
      while (!ended) {
        await new Promise((resolve) => setImmediate(resolve))
        const drawn = ids.random()
        nowMs += drawn < 0.02 ? 3 * 60 * minute * ids.random() : drawn < 0.1 ? 20 * minute * ids.random() : 1000
        waiting.splice(Math.floor(ids.random() * waiting.length), 1)[0]?.()
      }
      await all
    },
  }
}

function open({ store, clock, ids }: World): DeltaTable {
  return openDeltaTable({ ...tableOptions(store), clock, ids: { uuid: ids.uuid, random: ids.random } })
}

/** Adds a file and one of changes, and takes one of those that are there. Done again where it fails and may be. */
async function write(world: World, batches: number): Promise<void> {
  const place: WritePlace = { ...world, table: open(world) }
  for (let done = 0; done < batches; ) {
    const snapshot = (await place.table.snapshot())!
    const target = writeTarget(place)
    const [file, cdc] = [`part-${world.ids.uuid()}`, `_change_data/cdc-${world.ids.uuid()}`]
    for (const path of [file, cdc]) {
      target.published.push(`t/${path}`)
      await world.store.put(`t/${path}`, new Uint8Array(1))
    }
    const live = [...(await snapshot.files()).values()]
    const taken = live[Math.floor(world.ids.random() * live.length)]
    const removes: Action[] = taken === undefined ? [] : [{ remove: removalOf(taken, world.clock.nowMs()) }]
    const actions: Action[] = [
      addAction(file),
      { cdc: { path: cdc, partitionValues: {}, size: 1n, dataChange: false } },
      ...removes,
    ]
    const reads = {
      kind: 'files' as const,
      files: new Set(taken === undefined ? [] : [taken.path]),
      mayMatch: () => false,
    }
    try {
      const result = await commitPublished(target, transaction(snapshot, actions, { reads, txnId: world.ids.uuid() }))
      if (result.kind === 'committed') done += 1
      else await dropPublished(target)
    } catch (error) {
      if (!(error instanceof MillraceError) || !error.retryable) throw error
    }
  }
}

/** Vacuums; gives for each the time before which files may have gone. */
async function vacuum(world: World, rounds: number, quiet: boolean): Promise<number> {
  let before = 0
  for (let i = 0; i < rounds; i++) {
    const table = open(world)
    const signal = new AbortController().signal
    const options = { ...world, table, retentionMs: retention, force: true, dryRun: false, quiet, signal }
    await vacuumTable(options).catch((error: unknown) => {
      if (!(error instanceof MillraceError) || error.code !== 'SINK_FAILED') throw error // another one is at work
    })
    before = world.clock.nowMs() - retention
  }
  return before
}

/** Reads version by version, as a pipeline that said so before. What it has not read yet is there. */
async function read(world: World, from: bigint, versions: number): Promise<void> {
  const table = open(world)
  const place = { store: world.store, table }
  for (let version = from; version < from + BigInt(versions); version++) {
    await registerReader(world.store, 't', { pipeline: 'reader', version, seenMs: world.clock.nowMs() })
    const head = (await table.snapshot())!.version
    if (version > head) return
    for await (const entry of table.entries(version, version + 1n))
      await assertThere(world, keysIn(place, entry), `version ${version}`)
  }
}

async function liveKeys({ store }: World, snapshot: Snapshot): Promise<string[]> {
  return [...(await snapshot.files()).values()].flatMap((add) => keysOf(store, 't', add))
}

async function assertThere(world: World, keys: Iterable<string>, what: string): Promise<void> {
  for (const key of keys) if ((await world.store.get(key)) === null) throw new Error(`${what} lacks ${key}`)
}

async function runSchedule(seed: number): Promise<void> {
  const world = openWorld(seed)
  const actions = createActions({ columns: [{ name: 'id', type: 'long' }], changeFeed: true, id: 'law', nowMs: 0 })
  await world.run([
    open(world)
      .commit(transaction(null, actions))
      .then(() => {}),
  ])
  await world.run([registerReader(world.store, 't', { pipeline: 'reader', version: 1n, seenMs: 0 })])
  let [before, quiet] = [0, world.ids.random() < 0.5]
  const vacuums = [vacuum(world, 2, quiet), vacuum(world, 2, true)]
  await world.run([
    write(world, 4),
    write(world, 3),
    read(world, 1n, 3),
    ...vacuums.map((each) =>
      each.then((time) => {
        before = Math.max(before, time)
      }),
    ),
  ])
  await world.run([
    (async () => {
      const table = open(world)
      const snapshot = (await table.snapshot())!
      await assertThere(world, await liveKeys(world, snapshot), 'the newest version')
      for (const remove of (await snapshot.tombstones()).values())
        if (Number(remove.deletionTimestamp) >= before)
          await assertThere(world, [`t/${remove.path}`], 'a version within the retention')
    })(),
  ])
}

test('no commit names a file that is gone, and no version within the retention or a reader still to come loses one', async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 30 }), runSchedule), { numRuns: 60 })
}, 60_000)

test('files that nothing needs do go in the end', async () => {
  const world = openWorld(7)
  const actions = createActions({ columns: [{ name: 'id', type: 'long' }], changeFeed: true, id: 'law', nowMs: 0 })
  await world.run([
    open(world)
      .commit(transaction(null, actions))
      .then(() => {}),
  ])
  await world.run([write(world, 6)])
  const late: World = { ...world, clock: { ...world.clock, nowMs: () => world.clock.nowMs() + 3 * 60 * minute } }
  const signal = new AbortController().signal
  const parts = { ...late, table: open(late), storeNowMs: async () => late.clock.nowMs(), retentionMs: retention }
  await world.run([vacuumTable({ ...parts, force: true, dryRun: false, quiet: true, signal }).then(() => {})])
  const left: string[] = []
  await world.run([
    (async () => {
      for await (const { key } of world.store.list('t/')) if (!key.includes('_delta_log')) left.push(key)
      expect(left.sort()).toEqual((await liveKeys(world, (await open(world).snapshot())!)).sort())
    })(),
  ])
})
