/** When the next batch may start. */
import { examine, objectOf, shapeOf } from './shape.ts'

export type Trigger =
  /** A batch every so often while there is something to read; sooner when a full batch is waiting. */
  | { readonly kind: 'every'; readonly ms: number }
  /** Everything that is there when the run starts, in as many batches as the limits ask for; then the end. */
  | { readonly kind: 'available-now' }
  /** One batch of at most the limits, then the end. */
  | { readonly kind: 'once' }

/** A batch every `seconds`. */
export function every(interval: { readonly seconds: number }): Trigger {
  const { value } = examine(interval, objectOf({ seconds: shapeOf('a number', Number.isFinite) }))
  return { kind: 'every', ms: value === undefined ? Number.NaN : value.seconds * 1000 } // refused where it is used
}

/** Reads to where the source ends at the start of the run, then stops. */
export function availableNow(): Trigger {
  return { kind: 'available-now' }
}

/** Runs a single batch. */
export function once(): Trigger {
  return { kind: 'once' }
}

/** Whether an outside value is a usable trigger. */
export function isTrigger(value: unknown): value is Trigger {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  if (value.kind === 'every')
    return 'ms' in value && typeof value.ms === 'number' && Number.isFinite(value.ms) && value.ms > 0
  return value.kind === 'available-now' || value.kind === 'once'
}
