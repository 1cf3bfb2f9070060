/**
 * Collecting short-lived buffers before they grow old. Buffers that come and go with every fetch lie outside of the heap, but
 * count towards its limit, which is a third above what is in use: left to itself, the engine marks the whole heap for every 20 MB that
 * pass.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { readonly type: 'minor' }) => void

/** How far beyond what is in use the heap may grow before all of it is marked. */
const growingPercent = 100

let collect: Collect | null = null

/** Collects what this thread's newest objects left behind: a fraction of a millisecond. */
export function collectYoungGarbage(): void {
  if (collect === null) {
    setFlagsFromString(`--heap-growing-percent=${growingPercent}`)
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as Collect
  }
  collect({ type: 'minor' })
}
