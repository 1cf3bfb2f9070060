import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contend } from '../../delta/contending-process.testing.ts'
import { openDeltaTable } from '../../delta/delta-table.ts'
import { creation, tableOptions } from '../../delta/tables.testing.ts'
import { openTestBucket, service, type TestBucket } from './bucket.testing.ts'

const opening = `
import { openTestBucket } from ${JSON.stringify(new URL('./bucket.testing.ts', import.meta.url).href)}
const [prefix] = process.argv.slice(3)
const bucket = openTestBucket()
const [store, stagingDir] = [bucket.open({ prefix }), bucket.dir]
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
    const closing = 'await bucket.close()'
    const ends = await Promise.all(
      names.map((name) => contend({ opening, closing, args: [prefix], name, commits: 40 })),
    )
    expect(ends).toEqual([0, 0, 0, 0])
    const snapshot = (await table.snapshot())!
    expect(snapshot.version).toBe(160n)
    expect([...(await snapshot.files()).keys()].sort()).toEqual(
      names.flatMap((name) => Array.from({ length: 40 }, (_, i) => `${name}-${i}`)).sort(),
    )
  })
})
