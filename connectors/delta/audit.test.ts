import fc from 'fast-check'
import { expect, test } from 'vitest'
import { appId } from '../../checkpoints/position.ts'
import { auditCommits, auditOf, type Commit, entryOf, foreign, type Spans, snapshotOf, told } from './audit.testing.ts'
import { addAction, removeAction, txnAction } from './tables.testing.ts'

const p = (ranges: Spans, more: Partial<Commit> = {}): Commit => ({ pipeline: 'p', ranges, ...more })
const rows = (path: string, count: number, dataChange = true) =>
  addAction(path, { dataChange, stats: `{"numRecords":${count}}` })

// ---------------------------------------------------------------------------------------------- examples

test('ranges that follow each other are clean, per pipeline and source partition, beyond 2^53 too', () => {
  const far = 2n ** 62n
  const result = auditCommits(
    p({ 't/0': [0n, 5n], 't/1': [far, far + 1n] }),
    { pipeline: 'q', ranges: { 't/0': [3n, 4n] } },
    foreign,
    p({ 't/0': [5n, 9n], 't/1': [far + 1n, far + 9n] }),
    { pipeline: 'q', ranges: { 't/0': [4n, 100n] } },
  )
  expect(told(result)).toEqual([])
  expect(result).toMatchObject({ from: 0n, to: 4n })
  expect(
    result.chains.map(({ pipeline, sourcePartition, from, to, ranges }) => [
      pipeline,
      sourcePartition,
      from,
      to,
      ranges,
    ]),
  ).toEqual([
    ['p', 't/0', 0n, 9n, 2],
    ['p', 't/1', far, far + 9n, 2],
    ['q', 't/0', 3n, 100n, 2],
  ])
})

test('an empty range pins a position: it may come without a txn, and must not move', () => {
  const id = 2n ** 60n + 1n
  expect(
    told(
      auditCommits(
        p({ 't/0': [0n, 5n], 't/id': [id, id] }),
        p({ 't/0': [5n, 9n], 't/id': [id, id] }, { txns: { 't/0': 9n } }),
        p({ 't/0': [9n, 9n], 't/id': [id, id] }),
      ),
    ),
  ).toEqual([])
  expect(told(auditCommits(p({ 't/id': [id, id] }), p({ 't/id': [id + 1n, id + 1n] })))).toEqual([
    `gap p/t/id [${id}, ${id + 1n}) @ 0,1`,
  ])
  expect(told(auditCommits(p({ 't/id': [id, id] }), p({ 't/id': [id - 7n, id - 7n] })))).toEqual([
    `backwards p/t/id [${id - 7n}, ${id}) @ 0,1`,
  ])
})

test('gap, overlap and a range the wrong way round are told with their spans', () => {
  expect(told(auditCommits(p({ a: [0n, 5n] }), p({ a: [7n, 9n] })))).toEqual(['gap p/a [5, 7) @ 0,1'])
  expect(told(auditCommits(p({ a: [0n, 5n] }), p({ a: [3n, 9n] })))).toEqual(['overlap p/a [3, 5) @ 0,1'])
  expect(told(auditCommits(p({ a: [0n, 5n] }), p({ a: [1n, 3n] }), p({ a: [5n, 6n] })))).toEqual([
    'overlap p/a [1, 3) @ 0,1',
  ])
  expect(told(auditCommits(p({ a: [0n, 5n] }), p({ a: [5n, 4n] })))).toEqual(['backwards p/a [4, 5) @ 0,1'])
  expect(told(auditCommits(p({ a: [0n, 5n] }), p({ a: [9n, 7n] }), p({ a: [7n, 8n] })))).toEqual([
    'backwards p/a [7, 9) @ 0,1',
    'gap p/a [5, 7) @ 1,2',
  ])
})

test('a gap that a later range fills stays a gap, and its filling is no overlap', () => {
  const result = auditCommits(p({ a: [0n, 5n] }), p({ a: [8n, 10n] }), p({ a: [4n, 9n] }), p({ a: [10n, 12n] }))
  expect(told(result)).toEqual(['gap p/a [5, 8) @ 0,1', 'overlap p/a [4, 5) @ 1,2', 'overlap p/a [8, 9) @ 1,2'])
  expect(result.chains[0]).toMatchObject({ covered: [{ start: 0n, end: 12n }], position: 12n })
})

test('a txn that is not the end of a range is told, and a position without a range, whoever moved it', () => {
  expect(told(auditCommits(p({ a: [0n, 5n] }), p({ a: [5n, 9n] }, { txns: { a: 7n } }), p({ a: [9n, 10n] })))).toEqual([
    'txn-mismatch p/a [7, 9) @ 1',
  ])
  expect(told(auditCommits(p({ a: [0n, 5n] }), p({ a: [5n, 9n] }, { txns: {} }), p({ a: [9n, 10n] })))).toEqual([
    'txn-mismatch p/a [5, 9) @ 1',
  ])
  const moving: Commit = { ...foreign, actions: [txnAction('p/a', 8n)] }
  expect(told(auditCommits(p({ a: [0n, 5n] }), moving, p({ a: [8n, 9n] })))).toEqual([
    'gap p/a [5, 8) @ 0,2',
    'txn-mismatch p/a [5, 8) @ 1',
  ])
  expect(told(auditCommits(moving, p({ a: [8n, 9n] })))).toEqual(['txn-mismatch p/a [8, 8) @ 0'])
  expect(
    told(auditCommits({ ...foreign, actions: [txnAction('pp', 8n), txnAction('r/a', 8n)] }, p({ a: [8n, 9n] }))),
  ).toEqual([])
})

test('a range that is no pair of integers is none, so its txn has none', () => {
  const entry = entryOf(p({ a: [0n, 5n] }), 1n)
  const info = { millrace: { pipeline: 'p', fingerprint: 'f', ranges: { a: ['0x0', '5'] as const } } }
  const broken = { ...entry, actions: [{ commitInfo: info }, ...entry.actions.slice(1)] }
  expect(told(auditOf([entryOf(foreign, 0n), broken]))).toEqual([
    'snapshot-mismatch p/a [5, 5) @ 1',
    'txn-mismatch p/a [5, 5) @ 1',
  ])
})

test("the snapshot's positions are compared with the ends of the last ranges", () => {
  const entries = [entryOf(p({ a: [0n, 5n], b: [0n, 1n] }), 0n), entryOf(p({ a: [5n, 9n] }), 1n)]
  const txns = (all: Readonly<Record<string, bigint>>) =>
    new Map(Object.entries(all).map(([id, version]) => [id, { version }]))
  const withTxns = (all: Readonly<Record<string, bigint>>) => told(auditOf(entries, { version: 1n, txns: txns(all) }))
  expect(withTxns({ 'p/a': 9n, 'p/b': 1n, 'other/a': 3n })).toEqual([])
  expect(withTxns({ 'p/a': 12n })).toEqual([
    'snapshot-mismatch p/a [9, 12) @ 1,1',
    'snapshot-mismatch p/b [0, 1) @ 0,1',
  ])
  expect(withTxns({ 'p/a': 9n, 'p/b': 1n, 'p/c': 4n })).toEqual(['snapshot-mismatch p/c [4, 4) @ 1'])
})

test('of a log that was cleaned up the first entry left begins the chains, and older positions are listed', () => {
  const entries = [
    entryOf(p({ a: [0n, 5n], old: [0n, 7n] }), 0n),
    entryOf(p({ a: [5n, 9n] }), 1n),
    entryOf(p({ a: [9n, 11n] }), 2n),
  ]
  const result = auditOf(entries.slice(1), snapshotOf(entries))
  expect(told(result)).toEqual([])
  expect(result.from).toBe(1n)
  expect(result.chains).toMatchObject([
    { sourcePartition: 'a', from: 5n, to: 11n, ranges: 2 },
    { sourcePartition: 'old', from: 7n, to: 7n, ranges: 0 },
  ])
  const empty = auditOf([], snapshotOf(entries))
  expect(empty).toMatchObject({ from: 2n, to: 2n, chains: [], findings: [] })
})

test('rows are those of the files added, of a merge those that it says it changed; not of a compaction', () => {
  const result = auditCommits(
    p(
      { a: [0n, 5n], b: [0n, 0n] },
      { actions: [rows('1', 2), rows('2', 1), rows('0', 9, false), removeAction('0', false)] },
    ),
    p(
      { a: [5n, 9n] },
      {
        actions: [rows('3', 50), removeAction('1')],
        metrics: { numTargetRowsInserted: '3', numTargetRowsUpdated: '4', numTargetFilesAdded: '1' },
      },
    ),
    { ...foreign, actions: [rows('4', 3, false), removeAction('2', false)] },
    p({ a: [9n, 10n], b: [0n, 1n] }),
  )
  expect(result.chains).toMatchObject([
    { sourcePartition: 'a', rows: 10n, commitRows: 10n },
    { sourcePartition: 'b', rows: 0n, commitRows: 0n },
  ])
  expect(result.pipelines.get('p')).toEqual({ commits: 3, rows: 10n })
})

test('rows of a commit of several ranges are its own, and rows that nobody counted are unknown', () => {
  const shared = auditCommits(
    p({ a: [0n, 5n] }, { actions: [rows('1', 5)] }),
    p({ a: [5n, 9n], b: [0n, 1n] }, { actions: [rows('2', 4)] }),
  )
  expect(shared.chains).toMatchObject([
    { rows: null, commitRows: 9n },
    { rows: null, commitRows: 4n },
  ])
  const uncounted = auditCommits(
    p({ a: [0n, 5n] }, { actions: [addAction('1')] }),
    p({ b: [0n, 5n] }, { actions: [rows('2', 1)] }),
  )
  expect(uncounted.chains).toMatchObject([
    { rows: null, commitRows: null },
    { rows: 1n, commitRows: 1n },
  ])
  expect(uncounted.pipelines.get('p')).toEqual({ commits: 2, rows: null })
})

// ---------------------------------------------------------------------------------------------- laws

const base = fc.oneof(fc.bigInt({ min: 0n, max: 9n }), fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 10_000n }))

interface Script {
  readonly bases: readonly bigint[]
  /** Per commit the pipeline (or a foreign one), and per source partition how much it read; null: not in the commit. */
  readonly commits: readonly (readonly [writer: 0 | 1 | 2, lengths: readonly (bigint | null)[]])[]
}

const length = fc.option(fc.oneof(fc.constant(0n), fc.bigInt({ min: 1n, max: 50n })), { freq: 4 })
const script: fc.Arbitrary<Script> = fc.record({
  bases: fc.array(base, { minLength: 6, maxLength: 6 }),
  commits: fc.array(
    fc.tuple(
      fc.constantFrom(0 as const, 0 as const, 1 as const, 2 as const),
      fc.array(length, { minLength: 3, maxLength: 3 }),
    ),
    { minLength: 2, maxLength: 12 },
  ),
})

/** Commits of two pipelines over three source partitions each, as the commit rule lets them through. */
function commitsOf({ bases, commits }: Script): Commit[] {
  const next = [...bases]
  return commits.map(([writer, lengths]) => {
    if (writer === 2) return foreign
    const ranges: Record<string, readonly [bigint, bigint]> = {}
    for (const [i, length] of lengths.entries()) {
      if (length === null) continue
      const start = next[writer * 3 + i]!
      next[writer * 3 + i] = start + length
      ranges[`t/${i}`] = [start, start + length]
    }
    return { pipeline: ['p', 'q'][writer]!, ranges }
  })
}

/** A place in a script: a commit, and one of its ranges with what is before and after it in its chain. */
interface Place {
  readonly commit: number
  readonly id: string
  readonly pipeline: string
  readonly name: string
  readonly range: readonly [bigint, bigint]
  readonly earlier: number | null
  readonly later: number | null
}

function placesOf(commits: readonly Commit[]): Place[] {
  return commits.flatMap(({ pipeline, ranges }, commit) =>
    Object.entries(ranges).map(([name, range]) => {
      const same = commits.flatMap((each, i) => (each.pipeline === pipeline && name in each.ranges ? [i] : []))
      const at = same.indexOf(commit)
      const id = appId(pipeline, name)
      return { commit, id, pipeline, name, range, earlier: same[at - 1] ?? null, later: same[at + 1] ?? null }
    }),
  )
}

function withRange(commits: readonly Commit[], { commit, name }: Place, range: readonly [bigint, bigint]): Commit[] {
  return commits.map((each, i) => (i === commit ? { ...each, ranges: { ...each.ranges, [name]: range } } : each))
}

/** Picks with a number that fast-check shrinks. */
function pick<T>(from: readonly T[], number: number): T {
  fc.pre(from.length > 0)
  return from[number % from.length]!
}

const anyIndex = fc.nat({ max: 1000 })
const amount = fc.bigInt({ min: 1n, max: 60n })

test('whatever the commit rule lets through is clean', () => {
  fc.assert(
    fc.property(script, anyIndex, (made, cut) => {
      const entries = commitsOf(made).map((commit, i) => entryOf(commit, BigInt(i)))
      expect(told(auditOf(entries))).toEqual([])
      expect(told(auditOf(entries.slice(cut % entries.length), snapshotOf(entries)))).toEqual([])
    }),
  )
})

test('every gap is found, with its span', () => {
  fc.assert(
    fc.property(script, anyIndex, amount, (made, at, more) => {
      const commits = commitsOf(made)
      const place = pick(
        placesOf(commits).filter(({ earlier, range }) => earlier !== null && range[0] < range[1]),
        at,
      )
      const [start, end] = place.range
      const moved = start + 1n + (more % (end - start))
      expect(told(auditCommits(...withRange(commits, place, [moved, end])))).toEqual([
        `gap ${place.id} [${start}, ${moved}) @ ${place.earlier},${place.commit}`,
      ])
    }),
  )
})

test('every overlap is found, with its span', () => {
  fc.assert(
    fc.property(script, anyIndex, amount, (made, at, more) => {
      const commits = commitsOf(made)
      const place = pick(
        placesOf(commits).filter(({ earlier }) => earlier !== null),
        at,
      )
      const [start, end] = place.range
      const changed = withRange(commits, place, [start - more, end])
      const txns = { [place.name]: end }
      changed[place.commit] = { ...changed[place.commit]!, txns: { ...endsOf(changed[place.commit]!), ...txns } }
      expect(told(auditCommits(...changed))).toEqual([
        `overlap ${place.id} [${start - more}, ${start}) @ ${place.earlier},${place.commit}`,
      ])
    }),
  )
})

function endsOf({ ranges }: Commit): Record<string, bigint> {
  return Object.fromEntries(Object.entries(ranges).map(([name, [, end]]) => [name, end]))
}

test('every commit that was dropped is found, with the span of each of its ranges', () => {
  fc.assert(
    fc.property(script, anyIndex, (made, at) => {
      const commits = commitsOf(made)
      const entries = commits.map((commit, i) => entryOf(commit, BigInt(i)))
      const dropped = at % commits.length
      const left = entries.toSpliced(dropped, 1)
      const last = entries.length - 1
      const known = (pipeline: string) => commits.some((each, i) => i !== dropped && each.pipeline === pipeline)
      const expected = placesOf(commits)
        .filter(({ commit }) => commit === dropped)
        .flatMap(({ id, pipeline, range: [start, end], earlier, later }) => {
          if (earlier !== null && start === end) return []
          if (earlier !== null && later !== null) return [`gap ${id} [${start}, ${end}) @ ${earlier},${later}`]
          if (earlier !== null) return [`snapshot-mismatch ${id} [${start}, ${end}) @ ${earlier},${last}`]
          if (later !== null || dropped === 0 || !known(pipeline)) return [] // as in a log that was cleaned up
          return [`snapshot-mismatch ${id} [${end}, ${end}) @ ${last}`]
        })
      if (dropped > 0 && dropped < last)
        expected.push(`missing-entry [${dropped}, ${dropped + 1}) @ ${dropped - 1},${dropped + 1}`)
      expect(told(auditOf(left, snapshotOf(entries)))).toEqual(expected.sort())
    }),
  )
})

test('every commit that is there twice is found, with the span of each of its ranges', () => {
  fc.assert(
    fc.property(script, anyIndex, anyIndex, (made, at, to) => {
      const commits = commitsOf(made)
      const twice = at % commits.length
      const again = twice + 1 + (to % (commits.length - twice))
      const found = told(auditCommits(...commits.toSpliced(again, 0, commits[twice]!)))
      const expected = placesOf(commits)
        .filter(({ commit }) => commit === twice)
        .flatMap(({ id, pipeline, name, range: [start, end] }) => {
          const before = commits
            .slice(0, again)
            .findLastIndex((each) => each.pipeline === pipeline && name in each.ranges)
          const reached = commits[before]!.ranges[name]![1]
          const where = `@ ${before},${again}`
          if (start < end) return [`overlap ${id} [${start}, ${end}) ${where}`]
          return start < reached ? [`backwards ${id} [${start}, ${reached}) ${where}`] : []
        })
      expect(found).toEqual(expected.sort())
    }),
  )
})

test('of any ranges at all, gaps and overlaps are what counting each offset gives', () => {
  const span = fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 8 }))
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 8 }), (spans) => {
      const ranges = spans.map(([start, length]) => [start, start + length] as const)
      const { findings } = auditCommits(...ranges.map(([start, end]) => p({ a: [BigInt(start), BigInt(end)] })))
      const listed = (kind: string) =>
        findings
          .filter((found) => found.kind === kind)
          .map(({ span }) => [Number(span.start), Number(span.end)] as const)
      expect([listed('gap'), listed('overlap')]).toEqual(counted(ranges))
    }),
  )
})

/** The plain model: offsets one by one. What lies before the first range counts as covered. */
function counted(ranges: readonly (readonly [number, number])[]): readonly [unknown[], unknown[]] {
  const [gaps, overlaps]: [(readonly [number, number])[], (readonly [number, number])[]] = [[], []]
  const seen = new Set(Array.from({ length: ranges[0]![0] }, (_, offset) => offset))
  let reached = ranges[0]![0]
  for (const [start, end] of ranges) {
    if (start > reached) gaps.push([reached, start])
    overlaps.push(
      ...runs(Array.from({ length: end - start }, (_, i) => start + i).filter((offset) => seen.has(offset))),
    )
    for (let offset = start; offset < end; offset++) seen.add(offset)
    reached = Math.max(reached, end)
  }
  return [gaps, overlaps]
}

function runs(offsets: readonly number[]): (readonly [number, number])[] {
  const found: [number, number][] = []
  for (const offset of offsets) {
    const last = found.at(-1)
    if (last?.[1] === offset) last[1] += 1
    else found.push([offset, offset + 1])
  }
  return found
}
