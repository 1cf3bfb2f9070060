/**
 * A scan over the bytes of a JSON document (RFC 8259) that finds the values at a few paths and checks all the rest:
 * it accepts what `JSON.parse` accepts, up to {@link maxDepth}, and builds nothing. The scan itself is `kernel/scan.ts`.
 */
import { maxDepth, openKernel, type ScanFailure } from './kernel-memory.ts'

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
  /** Byte of the first escape that is half of a surrogate pair, in the buffer; -1 if none is. */
  readonly halfPairAt: number
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

const nodeWords = 5

/** Makes a scan for the children of `root`, which has `slots` nodes, itself included. */
export function createScan(root: PathNode, slots: number): Scan {
  const kernel = openKernel()
  const { memory, setUp, scan, duplicate, halfPairAt } = kernel.exports
  let isOdd = false // reading the kernel's variables takes as long as a small document
  const rootAt = writeNodes(memory, kernel.reserve, root)
  const [kindsAt, startsAt, endsAt] = [kernel.reserve(slots), kernel.reserve(slots * 4), kernel.reserve(slots * 4)]
  setUp(kindsAt, startsAt, endsAt, kernel.reserve(maxDepth + 1), maxDepth)

  const viewsOf = () => ({
    buffer: memory.buffer,
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
      return isOdd ? duplicate.value : -1
    },
    get halfPairAt() {
      return isOdd ? halfPairAt.value : -1
    },
    get failure() {
      return kernel.failure()
    },
    get failedAt() {
      return kernel.failedAt()
    },
    document(bytes, start, end) {
      const at = kernel.addressOf(bytes, start, end)
      if (views.buffer !== memory.buffer) views = viewsOf() // the memory grew
      views.kinds.fill(kinds.absent)
      const outcome = scan(rootAt, at, at + end - start, start - at)
      isOdd = outcome === 2
      return outcome !== 0
    },
  }
}

/** Writes the tree as the kernel's `PathNode`s, children one after another, and returns the root's address. */
function writeNodes(memory: WebAssembly.Memory, reserve: (bytes: number) => number, root: PathNode): number {
  const write = (node: PathNode, at: number) => {
    const keyAt = reserve(node.key.length + 8)
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
