/** The kernel's scan that holds documents against a shape. */
import type { DataType } from '../../engine/schema.ts'
import { type Kernel, maxDepth, openKernel, type ScanFailure } from './kernel-memory.ts'
import type { Shape, ShapeNode } from './shape.ts'

/** What a finding is about. */
export const found = {
  /** A value of which the kernel cannot say that it is as declared. */
  value: 0,
  /** A declared field that stands a second time. */
  twice: 1,
  /** A whole with a contract of its own, in which something was found. Comes after what is inside it. */
  cover: 2,
  /** A name in a map. */
  mapKey: 3,
} as const

/** What came of a scan: no JSON, as declared, or to be looked at by what was found. */
export type ShapeOutcome = 'refused' | 'fine' | 'findings'

const outcomes: readonly ShapeOutcome[] = ['refused', 'fine', 'findings']

/** Findings of the latest scan; places are those in the buffer that was scanned. */
export interface ShapeScan {
  /** Number of findings. */
  readonly count: number
  /** Byte of the first escape that is half of a surrogate pair; -1 if none is. */
  readonly halfPairAt: number
  /** First byte of what stands where the declared object should; 0 if nothing does. */
  readonly target: number
  readonly failure: ScanFailure
  readonly failedAt: number
  readonly memoryBytes: number
  /** Scans the document in `bytes[start, end)`. UTF-8 is not checked. */
  document(bytes: Uint8Array, start: number, end: number): ShapeOutcome
  /** One finding: what, number of the node, start, end, and for a name where its map begins. */
  finding(i: number): readonly [what: number, node: number, start: number, end: number, owner: number]
}

const nodeWords = 11
const findingBytes = 20

/** Makes a scan for a shape. */
export function createShapeScan(shape: Shape): ShapeScan {
  const kernel = openKernel()
  const { exports } = kernel
  const rootAt = kernel.reserve(nodeWords * 4)
  writeNode(kernel, shape, shape.root, rootAt)
  exports.setUp(0, 0, 0, kernel.reserve(maxDepth + 1), maxDepth)
  let capacity = 256
  let findingsAt = kernel.reserve(capacity * findingBytes)
  const judge = (bytes: Uint8Array, start: number, end: number): ShapeOutcome => {
    const at = kernel.addressOf(bytes, start, end)
    return outcomes[exports.judge(rootAt, at, at + end - start, start - at, findingsAt, capacity)]!
  }
  return {
    get count() {
      return exports.findings.value
    },
    get halfPairAt() {
      return exports.halfPairAt.value
    },
    get target() {
      return exports.target.value
    },
    get failure() {
      return kernel.failure()
    },
    get failedAt() {
      return kernel.failedAt()
    },
    get memoryBytes() {
      return exports.memory.buffer.byteLength
    },
    document(bytes, start, end) {
      const outcome = judge(bytes, start, end)
      if (outcome !== 'findings' || exports.findings.value <= capacity) return outcome
      capacity = exports.findings.value
      findingsAt = kernel.reserve(capacity * findingBytes)
      return judge(bytes, start, end)
    },
    finding(i) {
      const [what, node, start, end, owner] = new Int32Array(
        exports.memory.buffer,
        findingsAt + i * findingBytes,
        findingBytes / 4,
      )
      return [what!, node!, start!, end!, owner!]
    },
  }
}

/** Writes a node as the kernel's `ShapeNode`, its children behind one another. */
function writeNode(kernel: Kernel, shape: Shape, node: ShapeNode, at: number): void {
  const key = Buffer.from(node.key)
  const keyAt = kernel.reserve(key.length + 8)
  new Uint8Array(kernel.exports.memory.buffer).set(key, keyAt)
  const childrenAt = kernel.reserve(node.children.length * nodeWords * 4)
  const seenAt = kernel.reserve(node.children.length * 4)
  for (const [i, child] of node.children.entries()) writeNode(kernel, shape, child, childrenAt + i * nodeWords * 4)
  const [kind, size, scale] = codeOf(node.type)
  const flags = [Number(node.covers), Number(node === shape.target)]
  const words = [kind, node.id, keyAt, key.length, childrenAt, node.children.length, seenAt, size, scale, ...flags]
  new Int32Array(kernel.exports.memory.buffer, at, nodeWords).set(words)
}

/** The kernel's number for a type, with bits of an integer or precision and scale of a decimal. */
function codeOf(type: DataType): readonly [kind: number, size: number, scale: number] {
  if (typeof type !== 'string') {
    if (type.kind === 'decimal') return [4, type.precision, type.scale]
    return [{ array: 7, struct: 8, map: 9 }[type.kind], 0, 0]
  }
  switch (type) {
    case 'long':
      return [2, 64, 0]
    case 'integer':
      return [2, 32, 0]
    case 'short':
      return [2, 16, 0]
    case 'byte':
      return [2, 8, 0]
    case 'double':
    case 'float':
      return [3, 0, 0]
    case 'boolean':
      return [1, 0, 0]
    case 'date':
      return [5, 0, 0]
    case 'timestamp':
    case 'timestamp_ntz':
      return [6, 0, 0]
    default:
      return [0, 0, 0]
  }
}
