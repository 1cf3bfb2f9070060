/** Which kinds of sources and sinks there are connectors for. Pure. */
import type { SinkDescription, SourceDescription } from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'

const served = {
  source: ['kafka', 'delta', 'olap'],
  sink: ['kafka', 'delta', 'olap', 'vectors', 'graph'],
}

/** What is wrong with a kind that nobody serves; nothing with the others. */
export function kindProblems(what: 'source' | 'sink', { kind }: SourceDescription | SinkDescription): string[] {
  return served[what].includes(kind) ? [] : [unserved(what, kind).message]
}

/** `DEFINITION_INVALID` for a description that nobody serves, or whose maker found something wrong. */
export function assertServed(what: 'source' | 'sink', description: SourceDescription | SinkDescription): void {
  const problems = [...(description.problems ?? []), ...kindProblems(what, description)]
  if (problems.length > 0) throw new MillraceError('DEFINITION_INVALID', problems.join('; '), { problems })
}

/** A kind that no connector serves. */
export function unserved(what: 'source' | 'sink', kind: string): MillraceError {
  return new MillraceError(
    'DEFINITION_INVALID',
    `no connector serves the ${what} kind ${JSON.stringify(kind)} (use the descriptions of connectors/index.ts)`,
  )
}
