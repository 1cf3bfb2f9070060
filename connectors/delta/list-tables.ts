/** The tables of a lake. */
import type { ObjectStore } from '../../engine/contracts.ts'

const logFolder = '/_delta_log/'

/** Paths of all tables, in the order of their names. A table's own files are not walked through. */
export async function listTables(lake: ObjectStore): Promise<string[]> {
  const tables: string[] = []
  for (let found = await nextTable(lake, ''); found !== null; found = await nextTable(lake, afterAll(found)))
    tables.push(found)
  return tables.sort() // by key, `a-b/...` comes before `a/...`
}

async function nextTable(lake: ObjectStore, startAfter: string): Promise<string | null> {
  for await (const { key } of lake.list('', startAfter)) {
    const end = key.indexOf(logFolder)
    if (end > 0) return key.slice(0, end)
  }
  return null
}

/** Greater than every key of the table, smaller than those of the tables behind it. */
function afterAll(table: string): string {
  return `${table}/\u{10ffff}`
}
