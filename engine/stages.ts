/** Cuts a definition into stages: neighbouring steps of one executor run as one. Pure. */
import type { Stage, StageOutput, Step } from './contracts.ts'
import { consumersOf } from './graph.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * A stage under construction. `level` counts the changes of executor on the way from a source: relational steps of one
 * level run together, since no path between two of them leaves the executor.
 */
interface Draft {
  readonly executor: Step['executor']
  readonly level: number
  readonly steps: Step[]
  /** Ids of sources or steps whose rows come out of it. */
  readonly produces: string[]
}

/**
 * The stages of a pipeline, in an order in which each comes after those it reads from. Records are always read by a
 * columns stage, if need be one without steps, whose output carries the source's name.
 */
export function planStages(pipeline: Pipeline): readonly Stage[] {
  const drafts: Draft[] = []
  const home = new Map<string, Draft>()
  for (const [name, source] of Object.entries(pipeline.sources))
    if (source.shape === 'records') {
      const draft: Draft = { executor: 'columns', level: 0, steps: [], produces: [name] }
      drafts.push(draft)
      home.set(name, draft)
    }
  for (const step of pipeline.steps) {
    const draft = draftFor(pipeline, step, drafts, home)
    draft.steps.push(step)
    draft.produces.push(step.id)
    home.set(step.id, draft)
  }
  return drafts.sort((a, b) => a.level - b.level).map((draft) => finish(pipeline, draft))
}

function draftFor(
  pipeline: Pipeline,
  step: Pipeline['steps'][number],
  drafts: Draft[],
  home: Map<string, Draft>,
): Draft {
  const inputs = step.from.map((id) => home.get(id))
  if (step.executor === 'columns') {
    const before = inputs[0]
    const only = consumersOf(pipeline, step.from[0]!).length === 1
    if (before?.executor === 'columns' && only) return before // the chain goes on in the same pass
  }
  const level = Math.max(0, ...inputs.map((input) => levelAfter(input, step.executor)))
  const shared =
    step.executor === 'relational' ? drafts.find((d) => d.executor === 'relational' && d.level === level) : undefined
  if (shared !== undefined) return shared
  const draft: Draft = { executor: step.executor, level, steps: [], produces: [] }
  drafts.push(draft)
  return draft
}

/** A table source has no stage of its own: any executor may read it first. */
function levelAfter(input: Draft | undefined, executor: Step['executor']): number {
  if (input === undefined) return 0
  return input.executor === 'relational' && executor === 'relational' ? input.level : input.level + 1
}

function finish(pipeline: Pipeline, draft: Draft): Stage {
  const own = new Set(draft.steps.map((step) => step.id))
  const sources = draft.produces.filter((id) => !own.has(id))
  const inputs = new Set([...sources, ...draft.steps.flatMap((step) => step.from ?? []).filter((id) => !own.has(id))])
  return {
    id: draft.steps[0]?.id ?? sources[0]!,
    executor: draft.executor,
    steps: draft.steps,
    inputs: [...inputs],
    outputs: outputsOf(pipeline, draft, own),
  }
}

function outputsOf(pipeline: Pipeline, draft: Draft, own: ReadonlySet<string>): StageOutput[] {
  const leaves = (id: string): boolean =>
    consumersOf(pipeline, id).some((consumer) => !('id' in consumer) || !own.has(consumer.id))
  const valid = draft.produces.filter(leaves).map((step): StageOutput => ({ step, fork: 'valid' }))
  const rejected = draft.steps
    .filter((step) => step.rejects)
    .map((step): StageOutput => ({ step: step.id, fork: 'rejected' }))
  return [...valid, ...rejected]
}
