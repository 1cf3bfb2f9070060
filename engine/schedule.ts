/** The order of pipelines that follows from what they read and write. Pure. */
import { MillraceError } from './errors.ts'
import type { Pipeline } from './pipeline.ts'

/**
 * Pipelines so that each comes after those that write what it reads; otherwise in the order given.
 * @throws MillraceError `DEFINITION_INVALID` when they read each other in a circle, or two share a name
 */
export function inOrderOfTables(pipelines: readonly Pipeline[]): Pipeline[] {
  const ordered: Pipeline[] = []
  const open = new Set<Pipeline>()
  const names = new Set<string>()
  for (const { name } of pipelines) {
    if (names.has(name))
      throw new MillraceError(
        'DEFINITION_INVALID',
        `two pipelines are named ${name} (positions are kept by name: rename one)`,
      )
    names.add(name)
  }
  const visit = (pipeline: Pipeline): void => {
    if (ordered.includes(pipeline)) return
    if (open.has(pipeline))
      throw new MillraceError(
        'DEFINITION_INVALID',
        `pipelines read each other in a circle: ${[...open].map((p) => p.name).join(', ')}`,
      )
    open.add(pipeline)
    for (const other of pipelines) if (reads(pipeline, other)) visit(other)
    open.delete(pipeline)
    ordered.push(pipeline)
  }
  for (const pipeline of pipelines) visit(pipeline)
  return ordered
}

/** Those that read what a pipeline writes, directly or through others of the same list. */
export function downstreamOf(pipeline: Pipeline, pipelines: readonly Pipeline[]): Pipeline[] {
  const found = new Set<Pipeline>()
  const visit = (writer: Pipeline): void => {
    for (const other of pipelines)
      if (other !== pipeline && !found.has(other) && reads(other, writer)) {
        found.add(other)
        visit(other)
      }
  }
  visit(pipeline)
  return [...found]
}

function reads(reader: Pipeline, writer: Pipeline): boolean {
  const sources = Object.values(reader.sources)
  return writer.sinks.some(({ writes }) => sources.some((source) => source.reads === writes))
}
