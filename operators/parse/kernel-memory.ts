/** An instance of the kernel, and what lies in its memory: its own data, what the host reserves, the documents last. */
import { readFileSync } from 'node:fs'

/** Deepest nesting of objects and arrays that is accepted. */
export const maxDepth = 1000

/** Why bytes are no document, by the kernel's numbers. */
const failures = ['EMPTY', 'NOT_JSON', 'TRUNCATED', 'TOO_DEEP'] as const

/** Why bytes are no document. */
export type ScanFailure = (typeof failures)[number]

/** What `kernel/index.ts` exports. */
interface KernelExports {
  readonly memory: WebAssembly.Memory
  readonly failure: WebAssembly.Global
  readonly failedAt: WebAssembly.Global
  readonly duplicate: WebAssembly.Global
  readonly halfPairAt: WebAssembly.Global
  readonly findings: WebAssembly.Global
  readonly target: WebAssembly.Global
  setUp(kinds: number, starts: number, ends: number, open: number, maxDepth: number): void
  scan(root: number, start: number, end: number, toPlaces: number): number
  judge(root: number, start: number, end: number, toPlaces: number, findings: number, capacity: number): number
}

/** A kernel of one's own. Views of its memory are void after `reserve` and `addressOf`. */
export interface Kernel {
  readonly exports: KernelExports
  /** Address of so many bytes, zeros; documents have to be placed again afterwards. */
  reserve(bytes: number): number
  /** Address of the bytes of a document, which are copied there unless they are there. */
  addressOf(bytes: Uint8Array, start: number, end: number): number
  /** Why the last document was refused. */
  failure(): ScanFailure
  /** Byte where it was refused, in the buffer that it came from. */
  failedAt(): number
}

/** Behind the kernel's own data. */
const freeAt = 4096
/** Bytes behind a document that the kernel may look at. */
const slack = 16
/** As much as is copied at once, for documents one after another; few enough to stay in a processor's cache. */
const windowBytes = 128 * 1024
const pageBytes = 65_536

let module: WebAssembly.Module | null = null

/** Makes a kernel with nothing reserved. */
export function openKernel(): Kernel {
  module ??= new WebAssembly.Module(readFileSync(new URL('./kernel/scan.wasm', import.meta.url)))
  const kernel = new WebAssembly.Instance(module).exports as unknown as KernelExports
  let windowAt = freeAt
  let copied: { readonly bytes: Uint8Array; readonly start: number; readonly end: number } | null = null
  const grow = (bytes: number) => {
    const lacking = bytes - kernel.memory.buffer.byteLength
    if (lacking > 0) kernel.memory.grow(Math.ceil(lacking / pageBytes))
  }
  return {
    exports: kernel,
    reserve(bytes) {
      const at = windowAt
      windowAt = (windowAt + bytes + 7) & ~7
      grow(windowAt)
      new Uint8Array(kernel.memory.buffer).fill(0, at, windowAt)
      copied = null
      return at
    },
    addressOf(bytes, start, end) {
      if (copied === null || copied.bytes !== bytes || start < copied.start || end > copied.end) {
        copied = { bytes, start, end: Math.min(bytes.length, Math.max(end, start + windowBytes)) }
        grow(windowAt + copied.end - start + slack)
        new Uint8Array(kernel.memory.buffer).set(bytes.subarray(start, copied.end), windowAt)
      }
      return windowAt + start - copied.start
    },
    failure: () => failures[kernel.failure.value]!,
    failedAt: () => kernel.failedAt.value,
  }
}
