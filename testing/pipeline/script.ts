/** What a source brings, in the order in which it does: records or rows, and what happens between them. Pure. */
import type { FaultPoint } from '../../engine/fault-points.ts'
import type { DataType } from '../../engine/schema.ts'

/** A record of a topic, where more of it matters than its value. Made by {@link record}. */
export interface TestRecord {
  /** As an {@link InputValue}: an object is sent as JSON. */
  readonly value: InputValue
  /** Default: none. */
  readonly key?: string | Uint8Array | null
  /** Milliseconds since 1970; default: the clock's time when it is sent. */
  readonly timestampMs?: number
  readonly headers?: readonly (readonly [key: string, value: string | Uint8Array | null])[]
  /** Default: the key decides. A topic has one partition, or as many as its records name. */
  readonly partition?: number
}

/** A value of a record: text and bytes as they are, null is a tombstone, all else is sent as JSON. */
export type InputValue = string | Uint8Array | null | number | boolean | bigint | readonly unknown[] | object

/** Something that a source does at its place among the records. */
export class ScriptEvent {
  readonly event: { readonly kind: 'crash'; readonly at: FaultPoint } | { readonly kind: 'end-of-input' }

  constructor(event: ScriptEvent['event']) {
    this.event = event
  }
}

/** A record with more than a value. */
export class RecordItem {
  readonly record: TestRecord

  constructor(record: TestRecord) {
    this.record = record
  }
}

/** What stands in the list of a topic (values, {@link record}) or of a table (rows as objects), with events between them. */
export type ScriptItem = InputValue | RecordItem | ScriptEvent

/** The rows of a table whose types are given. Made by {@link table}. */
export class TableItems {
  readonly columns: { readonly [name: string]: DataType }
  readonly items: readonly ScriptItem[]

  constructor(columns: TableItems['columns'], items: readonly ScriptItem[]) {
    this.columns = columns
    this.items = items
  }
}

/** A record with a key, a time, headers or a partition. */
export function record(parts: TestRecord): RecordItem {
  return new RecordItem(parts)
}

/** Rows of a table with the types of its columns: for types that rows do not show (`date`, decimals), and tables without rows. */
export function table(columns: { readonly [name: string]: DataType }, items: readonly ScriptItem[]): TableItems {
  return new TableItems(columns, items)
}

/**
 * The process dies while it works on what stands before, and another one is started, which goes on with what stands behind. By default it dies
 * with the first entry of a Delta log in place and nobody told: other sinks of the batch lack it.
 */
export function crash(at: FaultPoint = 'after-log-commit'): ScriptEvent {
  return new ScriptEvent({ kind: 'crash', at })
}

/** The source has nothing more for now: `run` ends here, and the next one goes on behind it. */
export function endOfInput(): ScriptEvent {
  return new ScriptEvent({ kind: 'end-of-input' })
}

/** Items up to an event, and that event; null: the list has ended. */
export interface Segment<Item> {
  readonly items: readonly Item[]
  readonly event: ScriptEvent['event'] | null
}

/** The list of one source, as far as it has not been brought yet. */
export interface Script {
  add(items: readonly ScriptItem[]): void
  /** Takes what comes before the next event, and the event. */
  next(): Segment<Exclude<ScriptItem, ScriptEvent>>
}

/** A script with these items to come. */
export function openScript(items: readonly ScriptItem[]): Script {
  const left = [...items]
  return {
    add: (more) => void left.push(...more),
    next() {
      const at = left.findIndex((item) => item instanceof ScriptEvent)
      const taken = at < 0 ? left.splice(0) : left.splice(0, at + 1)
      const event = at < 0 ? null : (taken.pop() as ScriptEvent).event
      return { items: taken as Exclude<ScriptItem, ScriptEvent>[], event }
    },
  }
}
