/** Sends the lines of an input to a topic, each as the value of a record. */
import { addAbortSignal } from 'node:stream'
import { type ByteLine, type LineInput, longestLineBytes, readByteLines } from '../connectors/records/lines.ts'
import { type ProducerBatch, producerBatch } from '../connectors/records/producer-batch.ts'
import type { RefuseRecord } from '../connectors/records/sink-rows.ts'
import type { Clock } from '../engine/contracts.ts'
import type { JsonLineReader } from '../operators/parse/json-line.ts'
import type { TopicProducer } from './topic-producer.ts'

/** What is sent, and how. */
export interface ProduceOptions {
  readonly topic: string
  readonly input: LineInput
  readonly producer: TopicProducer
  /** Says of each line whether it is sent, and with which key; null: all are, without one. */
  readonly read: JsonLineReader | null
  /** Told of every line that is not sent; blank ones are passed over without a word. */
  readonly onRefused: (line: number, message: string) => void
  /** Default: full speed. */
  readonly ratePerSecond?: number
  readonly clock: Clock
  /** Ends it after the batch under way. */
  readonly signal: AbortSignal
}

/** What was sent. */
export interface ProduceReport {
  readonly records: number
  /** Of keys and values. */
  readonly bytes: number
  /** Number of the last line that was sent, refused or passed over. */
  readonly lastLine: number
  /** `complete`: all of the input. With `failed`, some of the lines after the last may have been sent. */
  readonly ended: 'complete' | 'stopped' | { readonly failed: unknown }
}

/**
 * Sends every line with the time at which it is sent. A value is the bytes of its line without the line end (LF or CRLF); a byte order mark
 * at the beginning of the input is no part of the first. The topic must be there. Lines are sent as soon as the input has brought them.
 */
export async function produceLines(options: ProduceOptions): Promise<ProduceReport> {
  const { topic, producer, input, signal } = options
  const sent = { records: 0, bytes: 0, lastLine: 0 }
  const pace = pacing(options)
  try {
    const refuse = await producer.refusals(topic)
    addAbortSignal(signal, input.stream)
    for await (const lines of readByteLines(input))
      for (const part of parts(lines, options.ratePerSecond)) {
        if (signal.aborted) return { ...sent, ended: 'stopped' }
        const batch = batchOf(part, refuse, options)
        if (batch.count() > 0) await producer.send(topic, batch)
        sent.records += batch.count()
        sent.bytes += batch.sizeBytes()
        sent.lastLine = part.at(-1)!.number
        await pace(batch.count())
      }
    return { ...sent, ended: 'complete' }
  } catch (error) {
    return { ...sent, ended: signal.aborted ? 'stopped' : { failed: error } }
  }
}

/** With a rate, about ten batches a second. */
function* parts(lines: readonly ByteLine[], ratePerSecond: number | undefined): Generator<readonly ByteLine[]> {
  const size = ratePerSecond === undefined ? lines.length : Math.max(1, Math.round(ratePerSecond / 10))
  for (let at = 0; at < lines.length; at += size) yield lines.slice(at, at + size)
}

/** Waits as long as so many records take; an input that pauses is not made up for. */
function pacing({ ratePerSecond, clock, signal }: ProduceOptions): (records: number) => Promise<void> {
  let dueMs = clock.nowMs()
  return async (records) => {
    if (ratePerSecond === undefined || records === 0) return
    dueMs = Math.max(dueMs, clock.nowMs()) + (records * 1000) / ratePerSecond
    await clock.sleep(dueMs - clock.nowMs(), signal)
  }
}

/** The records of lines, without those that are refused. */
function batchOf(lines: readonly ByteLine[], refuse: RefuseRecord, options: ProduceOptions): ProducerBatch {
  const { read, onRefused, clock } = options
  const batch = producerBatch()
  const numbers: number[] = []
  const timestampMs = clock.nowMs()
  for (const { number, bytes } of lines) {
    if (bytes === null) {
      onRefused(number, `is longer than ${longestLineBytes} bytes`)
      continue
    }
    const value = recordValue(bytes, number)
    if (isBlank(value)) continue
    const line = read?.(value) ?? { kind: 'document', key: null }
    if (line.kind === 'refused') onRefused(number, line.message)
    else {
      batch.add({ key: line.key, value, timestampMs })
      numbers.push(number)
    }
  }
  const beyond = new Set<number>()
  for (const [row, number] of numbers.entries()) {
    const message = refuse(batch.columns, row)
    if (message === null) continue
    onRefused(number, message)
    beyond.add(row)
  }
  return beyond.size === 0 ? batch : batch.without(beyond)
}

const [carriageReturn, byteOrderMark] = [0x0d, Buffer.from([0xef, 0xbb, 0xbf])]

function recordValue(bytes: Buffer, number: number): Buffer {
  const from = number === 1 && bytes.subarray(0, 3).equals(byteOrderMark) ? 3 : 0
  return bytes.subarray(from, bytes.at(-1) === carriageReturn ? -1 : undefined)
}

/** Nothing but what is white space to JSON. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === carriageReturn)
}
