/** How an event travels on a topic. */
import { type Label, type TmdbEvent, topics } from './event.ts'

/** A record as it is sent. */
export interface TopicRecord {
  readonly topic: string
  /** The id in decimal. */
  readonly key: Uint8Array
  /** UTF-8 JSON; null is a tombstone. */
  readonly value: Uint8Array | null
  /** The event time. */
  readonly timestampMs: number
}

/**
 * The record of an event. Its value is `{"id", "type", "label", "timestamp", "doc"}` in this order, so that what every
 * reader needs comes first; a deletion is a tombstone, whose time is the record's own timestamp.
 */
export function recordOf(event: TmdbEvent): TopicRecord {
  const { timestampMs, type, id } = event
  return {
    topic: topics[type],
    key: Buffer.from(String(id)),
    value: event.op === 'D' ? null : Buffer.from(valueText({ ...event, id: String(id) })),
    timestampMs,
  }
}

/** The fields of a record's value as JSON texts or plain values; damaged copies replace some of them. */
export interface EnvelopeFields {
  /** JSON text; null leaves the field out. */
  readonly id: string | null
  readonly type: string
  readonly label: Label | string
  readonly timestampMs: number
  /** Stands instead of the event time. */
  readonly timestamp?: string
  readonly doc: unknown
}

/** The record's value. An id of null is left out: a record without one is simulated so. */
export function valueText(fields: EnvelopeFields): string {
  const id = fields.id === null ? '' : `"id":${fields.id},`
  const timestamp = fields.timestamp ?? isoTime(fields.timestampMs)
  const label = JSON.stringify(fields.label)
  return `{${id}"type":"${fields.type}","label":${label},"timestamp":${JSON.stringify(timestamp)},"doc":${JSON.stringify(fields.doc)}}`
}

/** `2026-07-14T06:45:41Z`, with milliseconds only where there are any. */
export function isoTime(timestampMs: number): string {
  return new Date(timestampMs).toISOString().replace('.000Z', 'Z')
}
