/** What sources name that is not there: a run that ends refuses to take that for nothing to read, a stream says so and waits. */
import type { AbsentInput } from './contracts.ts'
import { MillraceError } from './errors.ts'
import type { Run, Session } from './session.ts'

/**
 * Tells (`source-missing`) what is not there, each once until it is there again.
 * @throws MillraceError `SOURCE_NOT_FOUND` naming all of it, in a run that ends, unless it may be missing
 */
export async function tellMissingSources({ session, emit }: Run): Promise<void> {
  const { pipeline, toldMissing } = session
  const absent = await absentInputs(session)
  const needed = absent.filter(({ optional }) => !optional)
  if (pipeline.trigger.kind !== 'every' && needed.length > 0) throw notFound(pipeline.name, needed)
  const fresh = absent.filter(({ what }) => !toldMissing.has(what))
  session.toldMissing = new Set(absent.map(({ what }) => what))
  if (fresh.length > 0) emit({ type: 'source-missing', pipeline: pipeline.name, missing: fresh })
}

async function absentInputs({ sources }: Session): Promise<readonly AbsentInput[]> {
  const all = await Promise.all([...sources.values()].map(async (source) => (await source.absent?.()) ?? []))
  return all.flat()
}

function notFound(pipeline: string, needed: readonly AbsentInput[]): MillraceError {
  const names = needed.map(({ what }) => what).join(', ')
  const [first] = needed
  return new MillraceError(
    'SOURCE_NOT_FOUND',
    `pipeline ${pipeline}: what it reads is not there: ${names} (${first!.advice})`,
    {
      context: { pipeline, missing: names },
    },
  )
}
