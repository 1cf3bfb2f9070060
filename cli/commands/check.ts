/** `millrace check`: definitions, columns and types, without data. */
import { checkPipelines } from '../check-pipelines.ts'
import type { CommandContext } from '../context.ts'
import { toJson } from '../output.ts'
import { findPipelines, platformPipelines } from '../pipelines.ts'
import { describing } from '../reading.ts'

/** Prints a line per pipeline, and one per problem; 1 if there are any. A definition that is not valid at all throws. */
export async function check({ config, arguments: names, json }: CommandContext): Promise<number> {
  const pipelines = names.length === 0 ? await platformPipelines() : await findPipelines(names)
  return describing(config, async (place) => {
    const checked = await checkPipelines(pipelines, place)
    const width = Math.max(...checked.map(({ pipeline }) => pipeline.name.length))
    for (const { pipeline, problems } of checked) {
      const { name } = pipeline
      if (json) console.log(toJson({ pipeline: name, ok: problems.length === 0, problems }))
      else if (problems.length === 0) console.log(`${name.padEnd(width)}  ok`)
      else for (const problem of problems) console.log(`${name.padEnd(width)}  ${problem}`)
    }
    return checked.every(({ problems }) => problems.length === 0) ? 0 : 1
  })
}
