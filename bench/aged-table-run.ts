/**
 * Opens a table, appends to it, and prints what that cost, as one JSON line. Started by `aged-table.ts`:
 *
 *   node bench/aged-table-run.ts <folder> <appends; 0: whatever leaves a checkpoint and a checksum>
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import type { DeltaTable, Transaction } from '../connectors/delta/table.ts'
import { localStore } from '../connectors/storage/local.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { ObjectStore } from '../engine/contracts.ts'
import { openDuckdb } from '../engine/duckdb.ts'
import { defaultMemoryLimitBytes, shareMemory } from '../engine/memory.ts'
import { peakMemoryMiB } from './peak-memory.ts'
import { quantile, rounded } from './quantile.ts'

/** What opening and appending cost. */
export interface AgedTableCost {
  readonly openMs: number
  readonly openRequests: number
  readonly appendP50Ms: number
  readonly appendP99Ms: number
  readonly appendMaxMs: number
  readonly checkpoints: number
  /** Resident after opening and a few appends, and the most with the checkpoints of all others. */
  readonly beforeMiB: number
  readonly peakMiB: number
}

const [dir = '', count = '0'] = process.argv.slice(2)
const stagingDir = join(dir, 'staging')
mkdirSync(stagingDir, { recursive: true })
const duckdb = await openDuckdb({
  memoryLimitBytes: shareMemory(defaultMemoryLimitBytes).duckdbBytes,
  threads: 2,
  tempDir: join(dir, 'spill'),
})
await duckdb.withConnection((connection) => connection.run('SELECT 1')) // what a running pipeline has paid already
const { store, requests } = counted(localStore(join(dir, 'lake')))
const parts = { store, duckdb: async () => duckdb, clock: systemClock, ids: systemIds, stagingDir }
const table = openDeltaTable({ ...parts, path: 't' })
const startedMs = performance.now()
const opened = (await table.snapshot())!
const openMs = performance.now() - startedMs
const openRequests = requests.made
const appendMs: number[] = []
let beforeMiB = 0
if (count === '0') await append(table, opened.version)
for (let i = 0; i < Number(count); i++) {
  appendMs.push(await append(table, opened.version + BigInt(i)))
  if (i === 5) beforeMiB = peakMemoryMiB()
}
await table.settled()
const cost: AgedTableCost = {
  openMs: rounded(openMs, 1),
  openRequests,
  appendP50Ms: rounded(quantile(appendMs, 0.5), 2),
  appendP99Ms: rounded(quantile(appendMs, 0.99), 2),
  appendMaxMs: rounded(quantile(appendMs, 1), 2),
  checkpoints: requests.checkpoints,
  beforeMiB,
  peakMiB: peakMemoryMiB(),
}
await duckdb.close()
console.log(JSON.stringify(cost))

async function append(to: DeltaTable, version: bigint): Promise<number> {
  const beganMs = performance.now()
  const add = { partitionValues: {}, size: 100_000n, modificationTime: 0n, dataChange: true, stats: '{"numRecords":1}' }
  const transaction: Transaction = {
    snapshot: await to.snapshot(),
    actions: [
      { add: { ...add, path: `part-${systemIds.uuid()}.parquet` } },
      { txn: { appId: 'p/topic/0', version: version + 1n, lastUpdated: 0n } },
    ],
    reads: { kind: 'blind-append' },
    operation: 'WRITE',
    txnId: systemIds.uuid(),
    admits: () => true,
  }
  if ((await to.commit(transaction)).kind !== 'committed') throw new Error('an append met another writer')
  return performance.now() - beganMs
}

function counted(inner: ObjectStore) {
  const made = { made: 0, checkpoints: 0 }
  const store: ObjectStore = {
    ...inner,
    get(key) {
      made.made += 1
      return inner.get(key)
    },
    localFile(key) {
      made.made += 1
      return inner.localFile(key)
    },
    list(prefix, startAfter) {
      made.made += 1
      return inner.list(prefix, startAfter)
    },
    putIfAbsent(key, body) {
      if (key.endsWith('.checkpoint.parquet')) made.checkpoints += 1
      return inner.putIfAbsent(key, body)
    },
  }
  return { store, requests: made }
}
