/** `millrace dead-letters list` and `dead-letters replay`. */

import { listTables } from '../../connectors/delta/list-tables.ts'
import type { Row } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { runAll, throwFirst } from '../../engine/run-all.ts'
import type { CommandContext } from '../context.ts'
import { inWorkspace } from '../in-workspace.ts'
import { openTable, requireTable } from '../lake-tables.ts'
import { byTime, newestLetters } from '../letters.ts'
import { retrying } from '../log-lines.ts'
import { type OutputRow, printRows, toJson } from '../output.ts'
import type { Place } from '../place.ts'
import { reading, requireDataDir } from '../reading.ts'
import { replayPipeline, toSend } from '../replay.ts'
import { deadLettersFolder } from '../table-status.ts'

const defaultLimit = 20

/** Prints the newest rejected records of one table, or of all under `dead_letters/`. */
export async function list({ config, arguments: [name], options, json }: CommandContext): Promise<number> {
  return reading(config, async (place) => {
    const limit = typeof options.limit === 'number' ? options.limit : defaultLimit
    const found: Row[] = []
    for (const path of await chosenTables(place, name))
      found.push(...(await newestLetters(place, await openTable(place, path), limit)))
    const rows = found.sort(byTime).slice(0, limit)
    printRows(json ? rows : rows.map(forPeople), { json, empty: 'no dead letters' })
    return 0
  })
}

/** `movies` stands for `dead_letters/movies`. */
async function chosenTables(place: Place, name: string | undefined): Promise<readonly string[]> {
  const tables = await listTables(place.lake)
  if (name === undefined) return tables.filter((table) => table.startsWith(deadLettersFolder))
  if (tables.includes(deadLettersFolder + name)) return [deadLettersFolder + name]
  return [(await requireTable(place, name)).table.path]
}

/** Bytes as text, damaged ones with replacement characters; the time is left to JSON. */
function forPeople({ timestamp: _, key, value, ...row }: Row): OutputRow {
  return { ...row, key: textOf(key), value: textOf(value) }
}

function textOf(bytes: unknown): unknown {
  return bytes instanceof Uint8Array ? Buffer.from(bytes.subarray(0, 400)).toString('utf8') : bytes
}

/**
 * Sends the records of a dead-letter table through their topics again, as new records, and prints how many. Each is sent once,
 * whenever and however often the command is run: how far the table was sent is kept with the records.
 */
export async function replay({ config, arguments: [name = ''], json }: CommandContext): Promise<number> {
  requireDataDir(config)
  return inWorkspace(config, async (workspace, stop) => {
    const counts = { read: 0, sent: 0 }
    const [path = name] = await chosenTables(workspace, name)
    const id = await checkLetters(workspace, path)
    const failed = await runAll([replayPipeline(path, id)], workspace.runtime, stop, (events) => {
      events.subscribe({
        next(event) {
          if (event.type === 'retried') console.error(retrying(event))
          if (event.type !== 'committed') return
          counts.read += event.rowsIn
          counts.sent += event.rowsOut
        },
        error: () => {}, // the run's own promise tells it
      })
    })
    throwFirst(failed)
    print(path, counts, json)
    return 0
  })
}

/** The table's id. `CONFIG_INVALID` for a table of something else: bronze, say, would be sent again as a whole. */
async function checkLetters(place: Place, path: string): Promise<string> {
  const { snapshot } = await openTable(place, path)
  const missing = ['step', 'code', ...toSend].filter((name) => !snapshot.columns.some((column) => column.name === name))
  if (missing.length === 0) return snapshot.metaData.id
  throw new MillraceError(
    'CONFIG_INVALID',
    `table ${path} holds no dead letters: it has no column ${missing.join(', ')} (name a table under ${deadLettersFolder})`,
  )
}

function print(table: string, { read, sent }: { readonly read: number; readonly sent: number }, json: boolean): void {
  const withoutTopic = read - sent
  if (json) console.log(toJson({ table, sent, withoutTopic }))
  else {
    console.log(`${sent} record${sent === 1 ? '' : 's'} of ${table} sent again`)
    if (withoutTopic > 0) console.log(`${withoutTopic} left out: they do not say which topic they came from`)
  }
}
