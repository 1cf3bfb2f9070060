import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Step } from '../../engine/contracts.ts'
import type { Row } from '../../engine/duckdb.ts'
import * as o from '../index.ts'
import { type Bench, openBench, type Rows } from './bench.testing.ts'

let bench: Bench
let benchInParts: Bench
beforeAll(async () => {
  bench = await openBench()
  benchInParts = await openBench({ alsoInParts: true })
})
afterAll(async () => {
  await bench.close()
  await benchInParts.close()
})

const { col } = o

/** fast-check prints seed and path of a failure itself; the number of runs keeps the file quick. */
const runs = { numRuns: 40 }

test('the latest row of a key is the largest by order, whatever order rows arrive in', async () => {
  const row = fc.record({ k: fc.option(fc.integer({ min: 0, max: 3 })), t: fc.option(fc.integer({ min: 0, max: 4 })) })
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 15 }), fc.integer(), async (rows, seed) => {
      const listed = rows.map(({ k, t }, n) => [k, t, n] as const)
      const shuffled = listed.map((r, i) => ({ r, at: (i * 7919 + seed) % 104729 })).sort((a, b) => a.at - b.at)
      const ran = await benchInParts.run([o.latestByKey('l', { key: ['k'], order: ['t', 'n'] })], {
        columns: { k: 'long', t: 'long', n: 'long' },
        rows: shuffled.map(({ r }) => r),
      })
      const model = new Map<number | null, readonly [number | null, number | null, number]>()
      for (const r of listed) {
        const best = model.get(r[0])
        if (best === undefined || (r[1] ?? -1) > (best[1] ?? -1) || (r[1] === best[1] && r[2] > best[2]))
          model.set(r[0], r)
      }
      const wanted = [...model.values()].map(([k, t, n]) => ({ k: big(k), t: big(t), n: BigInt(n) }))
      expect(byKey(ran.rows)).toEqual(byKey(wanted))
    }),
    runs,
  )
})

test('net changes lead from the table at the start to the table at the end, and name only what differs', async () => {
  const columns = { id: 'long', v: 'long', _change_type: 'string', _commit_version: 'long' } as const
  const commit = fc.dictionary(fc.constantFrom('1', '2', '3', '4'), fc.option(fc.integer({ min: 0, max: 2 })), {
    maxKeys: 4,
  })
  await fc.assert(
    fc.asyncProperty(commit, fc.array(commit, { minLength: 1, maxLength: 6 }), async (initial, commits) => {
      const start = new Map(Object.entries(initial).filter(([, v]) => v !== null))
      const { rows, end } = changeFeed(start, commits)
      const ran = await benchInParts.run([o.netChanges('n', { key: ['id'] })], { columns, rows })
      const keys = [...new Set([...start.keys(), ...end.keys()])].filter((id) => start.get(id) !== end.get(id))
      const state = (table: typeof start, id: string) =>
        table.has(id) ? { id: BigInt(id), v: big(table.get(id)!) } : null
      const wanted = keys.map((id) => ({ id: BigInt(id), before: state(start, id), after: state(end, id) }))
      expect(byKey(ran.rows)).toEqual(byKey(wanted))
    }),
    runs,
  )
})

/** Sets (a value) or deletes (null) keys, commit by commit, as a Delta change feed tells it. */
function changeFeed(start: ReadonlyMap<string, number | null>, commits: readonly Record<string, number | null>[]) {
  const table = new Map(start)
  const rows: unknown[][] = []
  commits.forEach((commit, version) => {
    for (const [id, v] of Object.entries(commit)) {
      const had = table.get(id)
      if (had !== undefined) rows.unshift([id, had, v === null ? 'delete' : 'update_preimage', version])
      if (v !== null) rows.unshift([id, v, had === undefined ? 'insert' : 'update_postimage', version])
      if (v === null) table.delete(id)
      else table.set(id, v)
    }
  })
  return { rows, end: table }
}

test('a set fingerprint ignores order and repetition and sees every other identity', async () => {
  const person = fc.record({
    id: fc.option(fc.integer({ min: 0, max: 3 })),
    job: fc.option(fc.constantFrom('', 'a', '1:a', ',')),
  })
  const step = o.trackChanges('t', { f: o.setFingerprint(col('l'), (x) => [o.field(x, 'id'), o.field(x, 'job')]) })
  const identity = (people: readonly { id: number | null; job: string | null }[]) =>
    JSON.stringify([...new Set(people.map((p) => JSON.stringify([p.id, p.job])))].sort())
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(person, { maxLength: 4 }), { minLength: 1, maxLength: 12 }), async (lists) => {
      const rows = lists
        .flatMap((l) => [l, [...l].reverse(), [...l, ...l]])
        .map((l, n) => [n, l.length === 0 ? null : l])
      const l = o.arrayOf(o.structOf({ id: 'long', job: 'string' }))
      const ran = await bench.run([step, o.select('s', o.cols('n', 'f'))], { columns: { n: 'long', l }, rows })
      const prints = new Map(ran.rows.map((r) => [Number(r.n), r.f]))
      const byIdentity = new Map<string, unknown>()
      lists.forEach((list, i) => {
        expect(prints.get(3 * i + 1)).toBe(prints.get(3 * i))
        expect(prints.get(3 * i + 2)).toBe(prints.get(3 * i))
        byIdentity.set(identity(list), prints.get(3 * i))
      })
      expect(new Set(byIdentity.values()).size).toBe(byIdentity.size)
      expect([...byIdentity.keys()]).toEqual([...new Set(lists.map(identity))])
    }),
    runs,
  )
})

test('a null list and an empty one have the same set fingerprint', async () => {
  const step = o.trackChanges('t', { f: o.setFingerprint(col('l'), (x) => [x]) })
  const { rows } = await bench.run([step], {
    columns: { n: 'long', l: o.arrayOf('string') },
    rows: [
      [1, null],
      [2, []],
      [3, [null]],
    ],
  })
  expect(rows[0]?.f).toBe(rows[1]?.f)
  expect(rows[2]?.f).not.toBe(rows[1]?.f)
})

test('a text fingerprint tells null, the empty text and shifted boundaries apart', async () => {
  const step = o.trackChanges('t', { f: o.textFingerprint(col('a'), col('b')) })
  const texts = [
    ['ab', 'c'],
    ['a', 'bc'],
    [null, 'abc'],
    ['', 'abc'],
    ['abc', null],
    ['abc', ''],
    [null, null],
    ['', ''],
    ['-', '-'],
  ]
  const { rows } = await bench.run([step], { columns: { a: 'string', b: 'string' }, rows: texts })
  expect(new Set(rows.map((r) => r.f)).size).toBe(texts.length)
})

test('steps run as one stage give what they give one by one', async () => {
  const input: Rows = {
    columns: { a: 'long', b: 'long', s: 'string', l: o.arrayOf('long') },
    rows: [
      [1, 2, 'x', [1, 2]],
      [3, null, 'y', []],
      [null, 5, null, null],
      [7, 7, 'x', [7, null]],
      [0, -1, '', [0]],
    ],
  }
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 2, maxLength: 7 }), async (makers) => {
      const steps = makers.map((make, i) => make(`s${i}`))
      const fused = await bench.run(steps, input)
      let files = [await bench.file(input)]
      for (const step of steps) {
        const result = await bench.execute([step], new Map([['source', { kind: 'files' as const, files }]]))
        files = [...(result.outputs.get(step.id) ?? [])]
      }
      expect(fused.rows).toEqual(await bench.rowsOf(files))
    }),
    { numRuns: 60 },
  )
})

const number = fc.constantFrom(
  col('a'),
  col('b'),
  o.add(col('a'), col('b')),
  o.multiply(col('a'), col('a')),
  o.coalesce(col('b'), o.lit(9)),
  o.caseWhen([[o.gt(col('a'), col('b')), col('a')]], col('b')),
  o.listLength(col('l')),
)
const condition = fc.constantFrom(
  o.gt(col('a'), 0),
  o.isNotNull(col('b')),
  o.or(o.eq(col('s'), 'x'), o.isNull(col('s'))),
  o.isDistinct(col('a'), col('b')),
  o.not(o.listContains(col('l'), col('a'))),
)
const anyStep: fc.Arbitrary<(id: string) => Step> = fc.oneof(
  fc.tuple(number, number).map(
    ([a, b]) =>
      (id: string) =>
        o.derive(id, { a, b }),
  ),
  condition.map((where) => (id: string) => o.filter(id, where)),
  number.map((a) => (id: string) => o.select(id, { ...o.cols('b', 's', 'l'), a })),
  number.map((a) => (id: string) => o.derive(id, { l: o.mapList(col('l'), (x) => o.add(x, a)) })),
  fc.constant((id: string) => o.derive(id, { s: o.concat(o.coalesce(col('s'), '-'), col('s')) })),
  fc.constant((id: string) => o.latestByKey(id, { key: ['s'], order: ['a', 'b', 'l'] })),
)

function big(value: number | null): bigint | null {
  return value === null ? null : BigInt(value)
}

function byKey(rows: readonly Row[]): string[] {
  return rows
    .map((row) => JSON.stringify(row, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value)))
    .sort()
}
