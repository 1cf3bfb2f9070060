#!/usr/bin/env node
/** `millrace <command>`: exit code 0 when done, 1 when it failed, 2 for a usage error. */
import { keepCompiledCode } from '../engine/compile-cache.ts'
import { MillraceError, messageOf } from '../engine/errors.ts'
import { endProcess } from './end-process.ts'
import { startLean } from './lean-process.ts'

/**
 * Statements of embedded stores take a thread of Node's pool each for as long as they run. With the four that there are by default a few long
 * questions would hold up all files and stores of the process.
 */
const poolThreads = 32

/** Those that live for long, or hold much. */
const lean = new Set(['run', 'serve'])

async function main(words: readonly string[]): Promise<number> {
  if (lean.has(words[0] ?? '')) startLean()
  process.umask(0o077) // whatever is written is the user's alone: data, scratch files, sockets
  process.env.UV_THREADPOOL_SIZE ??= String(poolThreads) // read when the first of them is needed, which is later
  keepCompiledCode() // what is imported from here on is compiled by the user's first run, and read by the next
  const { formatHelp, parseCommand } = await import('./args.ts')
  const { verbs } = await import('./verbs.ts')
  if (words.length === 0 || words[0] === '--help' || words[0] === 'help') {
    console.log(formatHelp(verbs))
    return words.length === 0 ? 2 : 0
  }
  const command = parseCommand(words, verbs)
  if (command.options.help === true) {
    console.log(formatHelp(verbs, command.verb))
    return 0
  }
  const { commandContext } = await import('./context.ts')
  const context = commandContext(command)
  switch (command.verb.verb) {
    case 'run':
      return (await import('./commands/run.ts')).run(context)
    case 'simulate':
      return (await import('./commands/simulate.ts')).simulate(context)
    case 'produce':
      return (await import('./commands/produce.ts')).produce(context)
    case 'explain':
      return (await import('./commands/explain.ts')).explain(context)
    case 'check':
      return (await import('./commands/check.ts')).check(context)
    case 'status':
      return (await import('./commands/status.ts')).status(context)
    case 'tables history':
      return (await import('./commands/tables.ts')).history(context)
    case 'tables show':
      return (await import('./commands/tables.ts')).show(context)
    case 'tables optimize':
      return (await import('./commands/optimize.ts')).optimize(context)
    case 'tables doctor':
      return (await import('./commands/doctor.ts')).doctor(context)
    case 'tables delete':
      return (await import('./commands/table-rows.ts')).deleteFrom(context)
    case 'tables update':
      return (await import('./commands/table-rows.ts')).updateIn(context)
    case 'tables vacuum':
      return (await import('./commands/vacuum.ts')).vacuum(context)
    case 'tables restore':
      return (await import('./commands/restore.ts')).restore(context)
    case 'tables lint':
      return (await import('./commands/lint.ts')).lint(context)
    case 'audit':
      return (await import('./commands/audit.ts')).audit(context)
    case 'recover':
      return (await import('./commands/recover.ts')).recover(context)
    case 'dead-letters list':
      return (await import('./commands/dead-letters.ts')).list(context)
    case 'dead-letters replay':
      return (await import('./commands/dead-letters.ts')).replay(context)
    case 'log repair':
      return (await import('./commands/log-repair.ts')).repair(context)
    case 'search':
      return (await import('./commands/search.ts')).search(context)
    case 'serve':
      return (await import('./commands/serve.ts')).serve(context)
    case 'olap':
      return (await import('./commands/olap.ts')).olap(context)
    case 'ask':
      return (await import('./commands/ask.ts')).ask(context)
    case 'graph path':
      return (await import('./commands/graph.ts')).path(context)
    case 'graph co-stars':
      return (await import('./commands/graph.ts')).withPerson(context)
    case 'graph pairs':
      return (await import('./commands/graph.ts')).pairs(context)
    case 'graph credits':
      return (await import('./commands/graph.ts')).credits(context)
    case 'graph hubs':
      return (await import('./commands/graph.ts')).connected(context)
    default:
      return (await import('./commands/graph.ts')).query(context)
  }
}

/** Configuration and usage errors are lines without a stack trace; a bug keeps its own. */
async function report(error: unknown): Promise<number> {
  const { isUsageError } = await import('./failed-pipelines.ts')
  if (error instanceof MillraceError) {
    if (error.problems.length > 0) for (const problem of error.problems) console.error(`millrace: ${problem}`)
    else console.error(`millrace: ${error.message}`)
    return isUsageError(error) ? 2 : 1
  }
  const { stackOf } = await import('./stack.ts')
  console.error(`millrace: internal error: ${messageOf(error)}`)
  console.error(stackOf(error))
  return 1
}

process.exitCode = await main(process.argv.slice(2)).catch(report)
endProcess()
