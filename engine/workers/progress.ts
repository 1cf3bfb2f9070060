/** How far a stage is that takes long, put together from the tasks of its threads. */
import type { StageInput, StageProgress } from '../contracts.ts'

/** What a task tells of one step. */
export interface TaskProgress {
  readonly step: string
  /** Rows of which the vectors are there, since the task began. */
  readonly embedded: number
}

/**
 * Takes what the tasks of one run tell, by number, and passes on their sum. `of` counts the rows that the run reads, where that is
 * known before.
 */
export function sumProgress(
  inputs: ReadonlyMap<string, StageInput>,
  onProgress: (progress: StageProgress) => void,
): (task: number, progress: TaskProgress) => void {
  const of = rowsIn(inputs)
  const latest = new Map<string, Map<number, number>>()
  return (task, { step, embedded }) => {
    const tasks = latest.get(step) ?? new Map<number, number>()
    latest.set(step, tasks.set(task, embedded))
    onProgress({ step, embedded: [...tasks.values()].reduce((sum, each) => sum + each, 0), of })
  }
}

function rowsIn(inputs: ReadonlyMap<string, StageInput>): number | null {
  let rows = 0
  for (const input of inputs.values()) {
    if (input.kind !== 'files') return null
    for (const file of input.files) rows += file.rows
  }
  return rows
}
