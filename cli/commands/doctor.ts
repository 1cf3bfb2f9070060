/** `millrace tables doctor`. */
import { examineTable } from '../../connectors/delta/doctor.ts'
import type { CommandContext } from '../context.ts'
import { requireTablePath } from '../lake-tables.ts'
import { printRows } from '../output.ts'
import { reading } from '../reading.ts'

/** Prints what is wrong with a table or could be better; 1 if rows are lost or wrong. */
export async function doctor({ config, arguments: [name = ''], options, json }: CommandContext): Promise<number> {
  return reading(config, async (place) => {
    const path = await requireTablePath(place.lake, name)
    const { lake: store, duckdb, clock } = place
    const parts = { table: place.table(path), store, duckdb, clock, deep: options.deep === true }
    const found = await examineTable(parts)
    if (json)
      printRows(
        found.map((each) => ({ table: path, ...each })),
        { json, empty: '' },
      )
    else {
      for (const { severity, what, advice } of found) console.log(`${severity}: ${what} (${advice})`)
      if (found.length === 0)
        console.log(`${path}: nothing is wrong${parts.deep ? '' : ' with its log (look at its rows: --deep)'}`)
    }
    return found.some(({ severity }) => severity === 'error') ? 1 : 0
  })
}
