/** `millrace recover`: a batch that some sinks hold and others lack, and the ways out. */

import { MillraceError } from '../../engine/errors.ts'
import type { PipelineEvent } from '../../engine/events.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import {
  closedBecause,
  finish,
  type HalfFinished,
  halfFinished,
  makeRoom,
  rewrite,
  runRanges,
  sayHalf,
  type WayOut,
  withRun,
} from '../../engine/recover.ts'
import type { Run } from '../../engine/session.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { inWorkspace } from '../in-workspace.ts'
import { toJson } from '../output.ts'
import { findPipelines } from '../pipelines.ts'
import { requireDataDir } from '../reading.ts'
import { needsRows, setAsidePipeline } from '../set-aside.ts'
import type { Workspace } from '../workspace.ts'

const ways: readonly WayOut[] = ['finish', 'rewrite', 'set-aside']

/** A way out, and why it is closed. */
interface Choice {
  readonly way: WayOut
  readonly effect: string
  readonly closed: string | null
}

/** Prints what is half finished of the pipeline that the command names and what each way out would do; goes the one that is named. */
export async function recover(context: CommandContext): Promise<number> {
  const [name = ''] = context.arguments
  const [pipeline, ...more] = await findPipelines([name])
  if (pipeline === undefined || more.length > 0)
    throw usageError([`${name}: exports ${more.length + 1} pipelines (name one, or a file that exports one)`])
  return recoverPipeline(pipeline, context)
}

/** The same of a pipeline that was found. */
export async function recoverPipeline(
  pipeline: Pipeline,
  { config, options, json }: Pick<CommandContext, 'config' | 'options' | 'json'>,
): Promise<number> {
  const chosen = ways.filter((way) => options[way] === true)
  if (chosen.length > 1) throw usageError([`${chosen.map((way) => `--${way}`).join(', ')}: give one of them`])
  requireDataDir(config)
  return inWorkspace(config, async (workspace, stop) => {
    const told = { options: stop, emit: json ? () => {} : sayRefused }
    const [way] = chosen
    const report = await withRun(pipeline, workspace.runtime, told, (run) => look(run, way ?? null))
    print(pipeline, report, { json, dryRun: way === undefined })
    if (way === undefined || report.half.kind === 'settled') return 0
    if (way === 'set-aside') await setAside(pipeline, workspace, told, report.half)
    console.log(json ? toJson({ pipeline: pipeline.name, done: way }) : `done: ${way}`)
    return 0
  })
}

interface Report {
  readonly half: HalfFinished
  readonly text: string
  readonly choices: readonly Choice[]
}

/** Looks, and goes a way that needs no other pipeline. */
async function look(run: Run, way: WayOut | null): Promise<Report> {
  const half = await halfFinished(run)
  if (half.kind === 'settled') return { half, text: '', choices: [] }
  const report = { half, text: sayHalf(run, half), choices: ways.map((each) => choiceOf(each, run, half)) }
  const closed = report.choices.find((choice) => choice.way === way)?.closed ?? null
  if (way !== null && closed !== null)
    throw new MillraceError('SINK_FAILED', `pipeline ${run.session.pipeline.name}: --${way} is not possible: ${closed}`)
  if (way === 'finish') await finish(run)
  if (way === 'rewrite') await rewrite(run, half)
  if (way === 'set-aside') await makeRoom(run, half)
  return report
}

function choiceOf(way: WayOut, run: Run, half: HalfFinished): Choice {
  const { sinks, pipeline } = run.session
  const names = (indices: readonly number[]) => indices.map((i) => sinks[i]!.name).join(', ')
  const lagging = half.sinks.map((i) => needsRows(pipeline.sinks[i]!)).find((why) => why !== null) ?? null
  const data = half.ahead.filter((i) => i !== pipeline.deadLetters)
  const effects: Readonly<Record<WayOut, string>> = {
    finish: `runs the range into ${names(half.sinks)} by the definition of today; what that rejects is in no sink unless the dead letters have it already`,
    rewrite: `takes the range back in ${names(half.ahead)}, then runs it into all sinks by the definition of today`,
    'set-aside': `moves ${names(half.sinks)} past the range without its rows, and puts all of its records into the dead letters${data.length === 0 ? '' : `; ${names(data)} keep what they hold of it`}`,
  }
  return { way, effect: effects[way], closed: closedBecause(way, run, half) ?? (way === 'set-aside' ? lagging : null) }
}

async function setAside(
  pipeline: Pipeline,
  workspace: Workspace,
  told: Omit<Run, 'session'>,
  { ranges, sinks, ahead }: HalfFinished,
): Promise<void> {
  const data = ahead.filter((i) => i !== pipeline.deadLetters)
  const into = pipeline.sinks.map((_, i) => i).filter((i) => sinks.includes(i) || !data.includes(i))
  await withRun(setAsidePipeline(pipeline), workspace.runtime, told, (run) => runRanges(run, ranges, into))
}

const states: Readonly<Record<Exclude<HalfFinished['kind'], 'settled'>, string>> = {
  replay: 'the next run finishes it',
  undo: 'the next run takes it back in the dead letters and runs it again',
  refused: 'the pipeline does not start until one of these is chosen, or the former definition has finished it',
}

function print(
  { name }: Pipeline,
  { half, text, choices }: Report,
  { json, dryRun }: { readonly json: boolean; readonly dryRun: boolean },
): void {
  const { kind, ranges } = half
  if (json) {
    const spans = Object.fromEntries(ranges.map(({ sourcePartition, start, end }) => [sourcePartition, [start, end]]))
    console.log(toJson({ pipeline: name, state: kind, ranges: spans, what: text, choices }))
  } else if (kind === 'settled') console.log(`pipeline ${name}: nothing to recover: its sinks agree`)
  else {
    console.log(`pipeline ${name}: ${text}: ${states[kind]}`)
    if (dryRun)
      for (const { way, effect, closed } of choices)
        console.log(`  --${way.padEnd(9)}  ${closed === null ? effect : `not possible: ${closed}`}`)
  }
}

function sayRefused(event: PipelineEvent): void {
  if (event.type !== 'refused') return
  console.error(`${event.sink} refuses ${event.rows} rows: ${event.message}: ${event.row}`)
}
