/** `millrace simulate`: records from files or from the generator, sent to the log. */
import type { TmdbEvent } from '../../connectors/tmdb/event.ts'
import { generateHistory } from '../../connectors/tmdb/generator.ts'
import { readEvents } from '../../connectors/tmdb/inputs.ts'
import type { SimulationReport } from '../../connectors/tmdb/simulator.ts'
import { systemClock, systemIds } from '../../engine/clock.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { foldersOf } from '../folders.ts'
import { stoppedCode, stopping } from '../in-workspace.ts'
import { printRows } from '../output.ts'
import { refusedLines } from '../refused-lines.ts'
import { sendEvents } from '../send-events.ts'
import { stopSignals } from '../stop-signals.ts'

const defaultTitles = 500

/** Lines of files that are not understood are reported, and make the exit code 1; all others are sent. */
export async function simulate(context: CommandContext): Promise<number> {
  const { options, config } = context
  const files = [...((options.history as readonly string[] | undefined) ?? []), ...context.arguments]
  if (files.length > 0 && options.titles !== undefined)
    throw usageError(['--titles: sizes the generated catalogue, and files are given (leave one out)'])
  const seed = numberOr(options.seed, 1)
  const refused = refusedLines()
  const events: Iterable<TmdbEvent> | AsyncIterable<TmdbEvent> =
    files.length > 0
      ? readEvents({ files, nowMs: systemClock.nowMs(), onProblem: refused.add })
      : generateHistory({ seed, titles: numberOr(options.titles, defaultTitles) })
  const stop = stopSignals(stopping)
  try {
    const sending = sendEvents(events, {
      logDir: foldersOf(config.dataDir).logDir,
      kafka: config.kafka,
      partitions: config.partitions,
      seed,
      clock: systemClock,
      ids: systemIds,
      signal: stop.stop,
      shuffleWindow: numberOr(options.shuffle, 0),
      late: numberOr(options.late, 0),
      duplicate: numberOr(options.duplicate, 0),
      corrupt: numberOr(options.corrupt, 0),
      ...(typeof options.rate === 'number' ? { ratePerSecond: options.rate } : {}),
    })
    const sent = await stop.within(sending)
    if (sent === null) return stoppedCode
    print(sent.value, context.json)
    return refused.complain()
  } finally {
    stop.dispose()
  }
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback
}

/** Counts of what was sent, one row a kind; with JSON all in one object. */
function print(report: SimulationReport, json: boolean): void {
  const rows = json
    ? [{ ...report }]
    : [
        ...Object.entries(report.topics).map(([topic, records]) => ({ sent: topic, records })),
        { sent: 'of these tombstones', records: report.tombstones },
        { sent: '         late', records: report.late },
        { sent: '         duplicates', records: report.duplicates },
        ...Object.entries(report.corrupted)
          .filter(([, n]) => n > 0)
          .map(([kind, records]) => ({ sent: `         damaged: ${kind}`, records })),
      ]
  printRows(rows, { json, empty: 'nothing to send' })
}
