/** Observers of pipelines whose own failures reach no pipeline. */
import type { Observer } from 'rxjs'
import { messageOf } from '../engine/errors.ts'
import type { PipelineEvent } from '../engine/events.ts'

/** The observer, with what its `next` throws told once and passed over: a broken log or bar is no reason to end the process. */
export function guarded(
  observer: Partial<Observer<PipelineEvent>>,
  tell: (line: string) => void = console.error,
): Partial<Observer<PipelineEvent>> {
  let told = false
  return {
    next(event) {
      try {
        observer.next?.(event)
      } catch (error) {
        if (!told) tell(`millrace: what happens can no longer be shown: ${messageOf(error)}`)
        told = true
      }
    },
  }
}
