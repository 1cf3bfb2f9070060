/** `millrace explain`: what a pipeline reads, does and writes. */
import type { Step } from '../../engine/contracts.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import { planStages } from '../../engine/stages.ts'
import { explainStage } from '../../operators/index.ts'
import { type CheckedPipeline, checkPipelines } from '../check-pipelines.ts'
import type { CommandContext } from '../context.ts'
import { type Explained, formatOutline } from '../outline.ts'
import { toJson } from '../output.ts'
import { findPipelines } from '../pipelines.ts'
import type { Place } from '../place.ts'
import { describing } from '../reading.ts'
import { openSink } from '../wire.ts'

/** Prints each pipeline as an outline (with `--sql` also its SQL), or all of it as JSON. */
export async function explain({ config, arguments: names, options, json }: CommandContext): Promise<number> {
  const pipelines = await findPipelines(names)
  return describing(config, async (place) => {
    for (const checked of await checkPipelines(pipelines, place)) {
      const explained = await explainPipeline(checked, place, json || options.sql === true)
      if (json) console.log(toJson({ ...checked.pipeline, ...explained, problems: checked.problems }))
      else console.log(formatOutline(checked.pipeline, explained, checked.problems))
    }
    return 0
  })
}

async function explainPipeline(
  { pipeline, columns }: CheckedPipeline,
  place: Place,
  withSql: boolean,
): Promise<Explained> {
  const duckdb = await place.duckdb()
  const stages: Explained['stages'][number][] = []
  for (const stage of planStages(pipeline)) {
    const inputs = new Map([...columns].filter(([id]) => stage.inputs.includes(id)))
    const known = withSql && stage.executor === 'relational' && inputs.size === stage.inputs.length
    stages.push({
      id: stage.id,
      executor: stage.executor,
      inputs: stage.inputs,
      steps: stage.steps.map(({ id, kind, from = [], options }) => ({ id, kind, from, nulled: nulledFields(options) })),
      outputs: stage.outputs.map(({ step, fork }) => (fork === 'valid' ? step : `${step}.rejected`)),
      sql: known ? await explainStage(duckdb, stage, inputs) : null,
    })
  }
  return { stages, delivery: await deliveryOf(pipeline, place) }
}

/** Fields of which null takes the place of what is not as declared. */
function nulledFields({ onInvalid }: Step['options']): string[] {
  return Object.entries(onInvalid ?? {}).flatMap(([field, contract]) => (contract === 'null' ? [field] : []))
}

/** What each sink promises, in the order of their commits. Opening a sink opens no store. */
async function deliveryOf(pipeline: Pipeline, place: Place): Promise<Explained['delivery']> {
  const found: Explained['delivery'][number][] = []
  for (const description of pipeline.sinks) {
    const sink = await openSink(description, place)
    found.push({ writes: description.writes, delivery: sink.delivery })
    await sink.close()
  }
  return found
}
