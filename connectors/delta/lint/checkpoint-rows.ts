/** The actions of a checkpoint as they stand in it (PROTOCOL.md, "Checkpoints", "Checkpoint Schema"). */
import type { ObjectStore } from '../../../engine/contracts.ts'
import { type Duckdb, identifier, literal, parquetRows } from '../../../engine/duckdb.ts'
import { readKey } from '../data-location.ts'
import { parseJson } from '../int64-json.ts'
import type { Report } from './finding.ts'
import { oneAction, parseLines, type RawAction } from './raw-action.ts'

/** What checkpoints are read with. */
export interface RowReader {
  readonly store: ObjectStore
  readonly duckdb: () => Promise<Duckdb>
  readonly report: Report
}

/** The actions in one file of a checkpoint, and whether that file has statistics as structs. */
export interface CheckpointRows {
  readonly actions: readonly RawAction[]
  readonly structs: boolean
}

/** Throws if the file cannot be read. */
export async function readRows(reader: RowReader, key: string): Promise<CheckpointRows> {
  if (key.endsWith('.json'))
    return { actions: parseLines(await readKey(reader.store, key), reader.report).actions, structs: false }
  const source = parquetRows([await reader.store.localFile(key)])
  const duckdb = await reader.duckdb()
  return duckdb.withConnection(async (connection) => {
    const { names, types } = await connection.describe(`SELECT * FROM ${source}`)
    const columns = names.flatMap((name, i) => {
      // what readers derive from other fields is as large as they, and holds what JSON has no words for
      const fields = (types[i]!.entryNames ?? []).filter((field) => !field.endsWith('_parsed'))
      return fields.length === 0 ? [] : [columnAsJson(name, fields)]
    })
    if (columns.length === 0) throw new Error('it has no column of actions')
    const actions: RawAction[] = []
    let row = 0
    for await (const chunk of connection.chunks(`SELECT ${columns.join(', ')} FROM ${source}`))
      for (let i = 0; i < chunk[0]!.length; i++) {
        const action = oneAction(rowOf(chunk, i), `row ${++row}`, reader.report)
        if (action !== null) actions.push(action)
      }
    const add = types[names.indexOf('add')]?.entryNames ?? []
    return { actions, structs: add.includes('stats_parsed') }
  })
}

function columnAsJson(name: string, fields: readonly string[]): string {
  const column = identifier(name)
  const packed = fields.map((field) => `${identifier(field)} := ${column}.${identifier(field)}`)
  const json = `CAST(to_json(struct_pack(${packed.join(', ')})) AS VARCHAR)`
  return `CASE WHEN ${column} IS NULL THEN NULL ELSE ${literal(`{"${name}":`)} || ${json} || '}' END`
}

function rowOf(chunk: readonly ArrayLike<unknown>[], row: number): unknown {
  const found: unknown[] = []
  for (const column of chunk) {
    const text = column[row]
    if (typeof text === 'string') found.push(parseJson(text))
  }
  return Object.assign({}, ...found)
}
