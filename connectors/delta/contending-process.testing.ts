/** A process that commits to a table again and again, for tests of several at once. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How such a process comes to its table, `t`, in the words of a module. */
export interface ContendingProcess {
  /** Leaves `store` and `stagingDir`; `args` are in `process.argv` from place 3 on. */
  readonly opening: string
  readonly closing?: string
  readonly args: readonly string[]
  /** Of its application and its files. */
  readonly name: string
  readonly commits: number
}

const from = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)

const work = `
import { openDeltaTable } from ${from('./delta-table.ts')}
import { systemClock as clock, systemIds as ids } from ${from('../../engine/clock.ts')}
const [name, count] = process.argv.slice(1)
const table = openDeltaTable({ store, path: 't', clock, ids, stagingDir,
  duckdb: () => Promise.reject(new Error('not here')), checkpointInterval: 1e9 })
for (let i = 0; i < Number(count); i++) {
  const snapshot = await table.snapshot()
  const add = { path: name + '-' + i, partitionValues: {}, size: 1n, modificationTime: 0n, dataChange: true }
  const txn = { appId: name, version: BigInt(i + 1), lastUpdated: 0n }
  const result = await table.commit({ snapshot, actions: [{ add }, { txn }], reads: { kind: 'blind-append' },
    operation: 'WRITE', txnId: ids.uuid(), admits: (s) => (s.txns.get(name)?.version ?? 0n) === BigInt(i) })
  if (result.kind !== 'committed') throw new Error(JSON.stringify(result))
}
`

/** Runs one to its end and gives its exit status: 0 if every commit got in. */
export async function contend({ opening, closing = '', args, name, commits }: ContendingProcess): Promise<number> {
  const script = `${opening}\n${work}\n${closing}`
  const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, name, String(commits)]
  const child = spawn(process.execPath, [...words, ...args], { stdio: ['ignore', 'inherit', 'inherit'] })
  const [status] = (await once(child, 'exit')) as [number]
  return status
}
