/**
 * A scan over the bytes of a JSON document (RFC 8259) that finds the values at a few paths and checks all the rest:
 * it accepts what `JSON.parse` accepts, up to {@link maxDepth}, and builds nothing. The scan itself is `kernel/scan.ts`.
 */
import { readFileSync } from 'node:fs'

/** Deepest nesting of objects and arrays that is accepted. */
export const maxDepth = 1000

/** What stands at a path. `absent` until seen; `escaped` is a string with escapes in it. */
export const kinds = {
  absent: 0,
  object: 1,
  array: 2,
  string: 3,
  escaped: 4,
  number: 5,
  true: 6,
  false: 7,
  null: 8,
} as const

/** Why bytes are no document, by the kernel's numbers. */
const failures = ['EMPTY', 'NOT_JSON', 'TRUNCATED', 'TOO_DEEP'] as const

/** Why bytes are no document. */
export type ScanFailure = (typeof failures)[number]

/** A named key on the way to a value, and the keys looked for inside it. */
export interface PathNode {
  /** Where in the {@link Scan} its value is noted. The root is slot 0. */
  readonly slot: number
  /** Key in its parent object, as UTF-8. */
  readonly key: Uint8Array
  readonly children: readonly PathNode[]
}

/** Findings of the latest scan. Spans are those of the values as they stand: strings with their quotes. */
export interface Scan {
  readonly kinds: Uint8Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** Slot of a key that stands twice in its object; -1 if none does. */
  readonly duplicate: number
  /** Set when the document is refused. */
  readonly failure: ScanFailure
  /** Byte where it was refused, in the buffer. */
  readonly failedAt: number
  /**
   * Scans the document in `bytes[start, end)`. False: it is refused. UTF-8 is not checked. Bytes of a buffer that was
   * scanned before must not have changed since.
   */
  document(bytes: Uint8Array, start: number, end: number): boolean
}

interface Kernel {
  readonly memory: WebAssembly.Memory
  readonly failure: WebAssembly.Global
  readonly failedAt: WebAssembly.Global
  readonly duplicate: WebAssembly.Global
  setUp(kinds: number, starts: number, ends: number, open: number, maxDepth: number): void
  scan(root: number, start: number, end: number, toPlaces: number): number
}

/** Behind the kernel's own data. */
const freeAt = 4096
const nodeWords = 5
/** Bytes behind a document that the kernel may look at. */
const slack = 16
/** As much as is copied at once, for documents one after another; few enough to stay in a processor's cache. */
const windowBytes = 128 * 1024
const pageBytes = 65_536

let module: WebAssembly.Module | null = null

/** Makes a scan for the children of `root`, which has `slots` nodes, itself included. */
export function createScan(root: PathNode, slots: number): Scan {
  module ??= new WebAssembly.Module(readFileSync(new URL('./kernel/scan.wasm', import.meta.url)))
  const kernel = new WebAssembly.Instance(module).exports as unknown as Kernel
  const { memory } = kernel
  let next = freeAt
  const reserve = (bytes: number) => {
    const at = next
    next = (next + bytes + 7) & ~7
    growTo(memory, next)
    return at
  }
  const rootAt = writeNodes(memory, reserve, root)
  const [kindsAt, startsAt, endsAt] = [reserve(slots), reserve(slots * 4), reserve(slots * 4)]
  kernel.setUp(kindsAt, startsAt, endsAt, reserve(maxDepth + 1), maxDepth)
  const windowAt = reserve(windowBytes + slack)

  let copied: { readonly bytes: Uint8Array; readonly start: number; readonly end: number } | null = null
  /** Address of a place in `bytes`, after copying what is not there yet. */
  function addressOf(bytes: Uint8Array, start: number, end: number): number {
    if (copied === null || copied.bytes !== bytes || start < copied.start || end > copied.end) {
      copied = { bytes, start, end: Math.min(bytes.length, Math.max(end, start + windowBytes)) }
      if (growTo(memory, windowAt + copied.end - start + slack)) views = viewsOf()
      views.memory.set(bytes.subarray(start, copied.end), windowAt)
    }
    return windowAt + start - copied.start
  }

  const viewsOf = () => ({
    memory: new Uint8Array(memory.buffer),
    kinds: new Uint8Array(memory.buffer, kindsAt, slots),
    starts: new Int32Array(memory.buffer, startsAt, slots),
    ends: new Int32Array(memory.buffer, endsAt, slots),
  })
  let views = viewsOf()
  return {
    get kinds() {
      return views.kinds
    },
    get starts() {
      return views.starts
    },
    get ends() {
      return views.ends
    },
    get duplicate() {
      return kernel.duplicate.value
    },
    get failure() {
      return failures[kernel.failure.value]!
    },
    get failedAt() {
      return kernel.failedAt.value
    },
    document(bytes, start, end) {
      const at = addressOf(bytes, start, end)
      views.kinds.fill(kinds.absent)
      return kernel.scan(rootAt, at, at + end - start, start - at) !== 0
    },
  }
}

/** Whether the memory had to grow: then all views of it are void. */
function growTo(memory: WebAssembly.Memory, bytes: number): boolean {
  const lacking = bytes - memory.buffer.byteLength
  if (lacking > 0) memory.grow(Math.ceil(lacking / pageBytes))
  return lacking > 0
}

/** Writes the tree as the kernel's `PathNode`s, children one after another, and returns the root's address. */
function writeNodes(memory: WebAssembly.Memory, reserve: (bytes: number) => number, root: PathNode): number {
  const write = (node: PathNode, at: number) => {
    const keyAt = reserve(node.key.length)
    const childrenAt = reserve(node.children.length * nodeWords * 4)
    new Uint8Array(memory.buffer).set(node.key, keyAt)
    const words = [node.slot, keyAt, node.key.length, childrenAt, node.children.length]
    new Int32Array(memory.buffer, at, nodeWords).set(words)
    for (const [i, child] of node.children.entries()) write(child, childrenAt + i * nodeWords * 4)
  }
  const rootAt = reserve(nodeWords * 4)
  write(root, rootAt)
  return rootAt
}

/** The text of a scanned string, escapes decoded; `start` and `end` include its quotes. */
export function decodeString(bytes: Uint8Array, start: number, end: number): string {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')) as string
}
