/**
 * What every connector promises, as named checks that each of them runs: the contracts of engine/contracts.ts, executed. A check throws an
 * assertion error where the promise is broken.
 */
import assert from 'node:assert/strict'
import type {
  CommitOutcome,
  Position,
  Range,
  RecordReader,
  RecordSource,
  Sink,
  SinkCommit,
} from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'

export interface Check<Subject> {
  readonly name: string
  run(subject: Subject): Promise<void>
}

/** A sink under test, over a store of its own that is empty at first. */
export interface SinkSubject {
  /** Opens the sink anew over the same store. */
  open(): Promise<Sink>
  /** Outputs of the n-th batch: one new row each. */
  outputs(batch: number): Promise<SinkCommit['outputs']>
  /** Rows that the store holds, of all batches. */
  countRows(): Promise<number>
  /** Batches that no try can write into a store that holds the first one, by what is wrong with them. */
  readonly hopeless?: Readonly<Record<string, () => Promise<HopelessBatch>>>
  /** Batches of which the store takes some rows and not the others, by what is in these. */
  readonly poisoned?: Readonly<Record<string, () => Promise<PoisonedBatch>>>
}

/** What a sink refuses for good, whatever is in its rows. */
export interface HopelessBatch {
  readonly outputs: SinkCommit['outputs']
  /** Opens a sink over the same store that is described otherwise; by default the subject's own. */
  readonly open?: () => Promise<Sink>
}

/** A batch with rows that the store refuses for what is in them. */
export interface PoisonedBatch extends HopelessBatch {
  readonly taken: number
  readonly refused: number
}

const partition = 'source/0'

function batchOf(
  subject: SinkSubject,
  start: bigint,
  end: bigint,
  more: Partial<SinkCommit> = {},
): Promise<SinkCommit> {
  return subject.outputs(Number(start % 1000n)).then((outputs) => ({
    pipeline: 'checked',
    txnId: `txn ${start}-${end}`,
    fingerprint: 'f1',
    ranges: [{ sourcePartition: partition, start, end }],
    initial: new Map([[partition, 0n]]),
    outputs,
    columns: new Map(),
    signal: new AbortController().signal,
    ...more,
  }))
}

async function commitTo(subject: SinkSubject, commit: SinkCommit): Promise<CommitOutcome> {
  const sink = await subject.open()
  try {
    return await sink.commit(commit)
  } finally {
    await sink.close()
  }
}

async function positionOf(subject: SinkSubject, pipeline = 'checked') {
  const sink = await subject.open()
  try {
    const { position, fingerprint } = await sink.position(pipeline)
    return { next: position.get(partition), fingerprint }
  } finally {
    await sink.close()
  }
}

/** The code of an error that no later try can mend. */
async function refusal(name: string, work: () => Promise<unknown>): Promise<string> {
  try {
    await work()
  } catch (error) {
    assert.ok(error instanceof MillraceError, `${name}: ${String(error)}`)
    assert.equal(error.retryable, false, name)
    return error.code
  }
  throw new assert.AssertionError({ message: `${name}: was not refused` })
}

/** In any order, each over an empty store. */
export const sinkChecks: readonly Check<SinkSubject>[] = [
  {
    name: 'before its first commit it holds no position',
    async run(subject) {
      assert.deepEqual(await positionOf(subject), { next: undefined, fingerprint: null })
    },
  },
  {
    name: 'rows, position and fingerprint are there together, also for who opens it anew',
    async run(subject) {
      assert.equal((await commitTo(subject, await batchOf(subject, 0n, 5n))).kind, 'committed')
      assert.deepEqual(await positionOf(subject), { next: 5n, fingerprint: 'f1' })
      assert.equal(await subject.countRows(), 1)
    },
  },
  {
    name: 'a replayed batch is fenced and writes nothing',
    async run(subject) {
      await commitTo(subject, await batchOf(subject, 0n, 5n))
      const again = await commitTo(subject, await batchOf(subject, 0n, 5n, { txnId: 'another attempt' }))
      assert.equal(again.kind, 'fenced')
      if (again.kind === 'fenced') assert.equal(again.position.get(partition), 5n)
      assert.equal(await subject.countRows(), 1)
    },
  },
  {
    name: 'its own commit, whose answer got lost, is known again and written once',
    async run(subject) {
      const commit = await batchOf(subject, 0n, 5n)
      await commitTo(subject, commit)
      const again = await commitTo(subject, { ...commit, outputs: await subject.outputs(0) })
      assert.ok(again.kind === 'already-committed' || again.kind === 'fenced', again.kind)
      assert.equal(await subject.countRows(), 1)
    },
  },
  {
    name: 'a batch that leaves a gap is fenced',
    async run(subject) {
      await commitTo(subject, await batchOf(subject, 0n, 5n))
      assert.equal((await commitTo(subject, await batchOf(subject, 6n, 9n))).kind, 'fenced')
      assert.deepEqual(await positionOf(subject), { next: 5n, fingerprint: 'f1' })
    },
  },
  {
    name: 'a first batch must begin at the configured start',
    async run(subject) {
      const late = await batchOf(subject, 3n, 5n)
      assert.equal((await commitTo(subject, late)).kind, 'fenced')
      const started = { ...late, outputs: await subject.outputs(3), initial: new Map([[partition, 3n]]) }
      assert.equal((await commitTo(subject, started)).kind, 'committed')
    },
  },
  {
    name: 'a batch without rows moves the position',
    async run(subject) {
      await commitTo(subject, await batchOf(subject, 0n, 5n))
      assert.equal((await commitTo(subject, await batchOf(subject, 5n, 8n, { outputs: new Map() }))).kind, 'committed')
      assert.deepEqual(await positionOf(subject), { next: 8n, fingerprint: 'f1' })
      assert.equal(await subject.countRows(), 1)
    },
  },
  {
    name: 'what its commit would refuse for good its preparation refuses, and nothing is written',
    async run(subject) {
      await commitTo(subject, await batchOf(subject, 0n, 5n))
      for (const [name, make] of Object.entries(subject.hopeless ?? {})) {
        const { outputs, open = subject.open } = await make()
        const batch = await batchOf(subject, 5n, 8n, { outputs, txnId: name })
        const sink = await open()
        const code = await refusal(name, () => sink.prepare!(batch))
        await sink.abandon?.()
        await sink.close()
        const unprepared = await open()
        const later = await batchOf(subject, 5n, 8n, { outputs: (await make()).outputs, txnId: `${name}, unprepared` })
        assert.equal(await refusal(name, () => unprepared.commit(later)), code, name)
        await unprepared.close()
        assert.deepEqual(await positionOf(subject), { next: 5n, fingerprint: 'f1' }, name)
        assert.equal(await subject.countRows(), 1, name)
      }
      assert.equal((await commitTo(subject, await batchOf(subject, 5n, 8n))).kind, 'committed')
    },
  },
  {
    name: 'rows that it refuses for what is in them are found by its preparation, and its commit writes all others',
    async run(subject) {
      for (const [i, [name, make]] of Object.entries(subject.poisoned ?? {}).entries()) {
        const before = await subject.countRows()
        const { open = subject.open, ...first } = await make()
        const more = (outputs: SinkCommit['outputs'], txnId: string) => ({ outputs, txnId, pipeline: `poisoned-${i}` })
        const sink = await open()
        await refusal(name, async () => sink.commit(await batchOf(subject, 0n, 4n, more(first.outputs, 'unprepared'))))
        assert.equal(await subject.countRows(), before, name)
        const { outputs, taken, refused } = await make()
        const batch = await batchOf(subject, 0n, 4n, more(outputs, 'prepared'))
        const rows = await sink.prepare!(batch)
        assert.equal('file' in rows ? rows.file.rows : rows.length, refused, name)
        assert.equal(await subject.countRows(), before, name)
        assert.equal((await sink.commit(batch)).kind, 'committed', name)
        await sink.close()
        assert.equal(await subject.countRows(), before + taken, name)
      }
    },
  },
  {
    name: 'a prepared batch that is abandoned counts for nothing, and can be prepared again',
    async run(subject) {
      await commitTo(subject, await batchOf(subject, 0n, 5n))
      const sink = await subject.open()
      await sink.prepare?.(await batchOf(subject, 5n, 8n, { txnId: 'given up' }))
      await sink.abandon?.()
      assert.deepEqual((await sink.position('checked')).position.get(partition), 5n)
      if (sink.delivery === 'exactly-once') assert.equal(await subject.countRows(), 1)
      const again = await batchOf(subject, 5n, 8n)
      await sink.prepare?.(again)
      assert.equal((await sink.commit(again)).kind, 'committed')
      await sink.close()
      assert.equal(await subject.countRows(), 2)
    },
  },
  {
    name: 'a prepared batch that another process was faster with is fenced',
    async run(subject) {
      const sink = await subject.open()
      const late = await batchOf(subject, 0n, 5n, { txnId: 'late' })
      await commitTo(subject, await batchOf(subject, 0n, 5n))
      await sink.prepare?.(late)
      assert.equal((await sink.commit(late)).kind, 'fenced')
      await sink.close()
      assert.equal(await subject.countRows(), 1)
    },
  },
  {
    name: 'pipelines keep their positions apart',
    async run(subject) {
      await commitTo(subject, await batchOf(subject, 0n, 5n))
      assert.equal((await positionOf(subject, 'another')).next, undefined)
      await commitTo(
        subject,
        await batchOf(subject, 0n, 2n, { pipeline: 'another', outputs: await subject.outputs(7) }),
      )
      assert.equal((await positionOf(subject, 'another')).next, 2n)
      assert.equal((await positionOf(subject)).next, 5n)
    },
  },
  {
    name: 'positions are exact beyond 2^53',
    async run(subject) {
      const start = 2n ** 53n + 1n
      const commit = await batchOf(subject, start, start + 2n, { initial: new Map([[partition, start]]) })
      assert.equal((await commitTo(subject, commit)).kind, 'committed')
      assert.equal((await positionOf(subject)).next, start + 2n)
    },
  },
]

/** A source of records under test, with at least three records in each of at least two partitions. */
export interface RecordSourceSubject {
  readonly source: RecordSource
  readonly reader: RecordReader
  /** False for a source that knows no sizes before it reads: there the reader alone keeps the limit of bytes. */
  readonly cutsByBytes: boolean
}

async function read(
  reader: RecordReader,
  range: Range,
  maxBytes = 2 ** 30,
): Promise<{ readonly offsets: bigint[]; readonly end: bigint }> {
  const offsets: bigint[] = []
  let end = range.start
  for await (const { table, end: reached } of reader.read(range, { maxBytes, signal: new AbortController().signal })) {
    for (const offset of table.getChild('offset')!) offsets.push(offset as bigint)
    end = reached
  }
  return { offsets, end }
}

async function wholeRanges(source: RecordSource): Promise<Range[]> {
  const start = await source.start()
  return [...(await source.latest())].map(([sourcePartition, end]) => ({
    sourcePartition,
    start: start.get(sourcePartition)!,
    end,
  }))
}

/** Over a source that nobody writes to meanwhile. */
export const recordSourceChecks: readonly Check<RecordSourceSubject>[] = [
  {
    name: 'every partition has a start that is not behind its end',
    async run({ source }) {
      const ranges = await wholeRanges(source)
      assert.ok(ranges.length >= 2)
      for (const { start, end } of ranges) assert.ok(start <= end)
    },
  },
  {
    name: 'a range gives the offsets in it, in order, the same ones each time',
    async run({ source, reader }) {
      for (const range of await wholeRanges(source)) {
        const first = await read(reader, range)
        assert.deepEqual(await read(reader, range), first)
        assert.deepEqual(
          first.offsets,
          [...first.offsets].sort((a, b) => (a < b ? -1 : 1)),
        )
        assert.ok(first.offsets.every((offset) => offset >= range.start && offset < range.end))
        assert.equal(first.end, range.end)
        assert.equal(await source.count(range), first.offsets.length)
      }
    },
  },
  {
    name: 'an empty range gives nothing, offset 0 included',
    async run({ source, reader }) {
      for (const { sourcePartition, start } of await wholeRanges(source))
        assert.deepEqual((await read(reader, { sourcePartition, start, end: start })).offsets, [])
    },
  },
  {
    name: 'cuts tile a range, keep the limit, and hold one record at least',
    async run({ source, reader, cutsByBytes }) {
      for (const range of await wholeRanges(source)) {
        const all: bigint[] = []
        for (let start = range.start; start < range.end; ) {
          const cut = await source.cut({ ...range, start }, { maxRecords: 2, maxBytes: 2 ** 30 })
          assert.ok(cut.start === start && cut.end > start && cut.end <= range.end)
          const { offsets } = await read(reader, cut)
          assert.ok(offsets.length <= 2)
          all.push(...offsets)
          start = cut.end
        }
        assert.deepEqual(all, (await read(reader, range)).offsets)
        const tiny = await source.cut(range, { maxRecords: 2 ** 30, maxBytes: 1 })
        assert.equal(tiny.end - tiny.start, cutsByBytes ? 1n : range.end - range.start)
      }
    },
  },
  {
    name: 'reading stops at the byte limit, on a record, and goes on from there',
    async run({ source, reader }) {
      for (const range of await wholeRanges(source)) {
        const all: bigint[] = []
        for (let start = range.start; start < range.end; ) {
          const part = await read(reader, { ...range, start }, 1)
          assert.equal(part.offsets.length, 1)
          all.push(...part.offsets)
          start = part.end
        }
        assert.deepEqual(all, (await read(reader, range)).offsets)
      }
    },
  },
  {
    name: 'what is not there is an error, not an empty answer',
    async run({ source, reader }) {
      const [{ sourcePartition, end }] = (await wholeRanges(source)) as [Range]
      const beyond = read(reader, { sourcePartition, start: end, end: end + 5n })
      await assert.rejects(beyond, (error) => error instanceof MillraceError && error.code === 'SOURCE_RANGE_LOST')
    },
  },
  {
    name: 'committing offsets is advice: it changes nothing that is read',
    async run({ source }) {
      const before: Position = await source.start()
      await source.commitOffsets(await source.latest())
      assert.deepEqual(await source.start(), before)
    },
  },
]
