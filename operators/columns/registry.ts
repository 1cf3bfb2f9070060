/** The kinds of steps that the columns executor runs. */
import type { ColumnsOperator } from './step.ts'

/** By `step.kind`. Modules are loaded when a pipeline needs them: a worker that parses loads no model. */
export const columnsOperators: { readonly [kind: string]: ColumnsOperator | undefined } = {
  'parse-critical': async (step) => (await import('../parse/critical-step.ts')).criticalStep(step),
  'map-batches': async (step, context) => (await import('../map-batches.ts')).openMapBatches(step, context),
  embed: async (step, context) => (await import('../embed-step.ts')).embedStep(step, context),
}
