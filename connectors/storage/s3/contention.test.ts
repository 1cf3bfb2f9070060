import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDeltaTable } from '../../delta/delta-table.ts'
import { creation, tableOptions } from '../../delta/tables.testing.ts'
import { openTestBucket, service, type TestBucket } from './bucket.testing.ts'

const from = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)
const writer = `
import { openDeltaTable } from ${from('../../delta/delta-table.ts')}
import { openTestBucket } from ${from('./bucket.testing.ts')}
import { systemClock as clock, systemIds as ids } from ${from('../../../engine/clock.ts')}
const [prefix, name, count] = process.argv.slice(1)
const bucket = openTestBucket()
const table = openDeltaTable({ store: bucket.open({ prefix }), path: 't', clock, ids, stagingDir: bucket.dir,
  duckdb: () => Promise.reject(new Error('not here')), checkpointInterval: 1e9 })
for (let i = 0; i < Number(count); i++) {
  const snapshot = await table.snapshot()
  const add = { path: name + '-' + i, partitionValues: {}, size: 1n, modificationTime: 0n, dataChange: true }
  const txn = { appId: name, version: BigInt(i + 1), lastUpdated: 0n }
  const result = await table.commit({ snapshot, actions: [{ add }, { txn }], reads: { kind: 'blind-append' },
    operation: 'WRITE', txnId: ids.uuid(), admits: (s) => (s.txns.get(name)?.version ?? 0n) === BigInt(i) })
  if (result.kind !== 'committed') throw new Error(JSON.stringify(result))
}
await bucket.close()
`

describe.skipIf(service.endpoint === '')('a table in a bucket (needs AWS_ENDPOINT_URL_S3)', () => {
  let bucket: TestBucket
  beforeAll(() => {
    bucket = openTestBucket()
  })
  afterAll(() => bucket.close())

  test('four processes that contend for it each get every commit in, once', async () => {
    const { prefix } = bucket.settings()
    const table = openDeltaTable(tableOptions(bucket.open({ prefix })))
    const create = {
      snapshot: null,
      actions: creation(),
      reads: { kind: 'blind-append' as const },
      operation: 'CREATE',
    }
    await table.commit({ ...create, txnId: 'create', admits: () => true })
    const names = ['a', 'b', 'c', 'd']
    const ends = await Promise.all(
      names.map(async (name) => {
        const args = ['--input-type=module', '-e', writer, prefix, name, '40']
        const [code] = await once(spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] }), 'exit')
        return code as number
      }),
    )
    expect(ends).toEqual([0, 0, 0, 0])
    const snapshot = (await table.snapshot())!
    expect(snapshot.version).toBe(160n)
    expect([...snapshot.files.keys()].sort()).toEqual(
      names.flatMap((name) => Array.from({ length: 40 }, (_, i) => `${name}-${i}`)).sort(),
    )
  })
})
