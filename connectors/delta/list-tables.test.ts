import { expect, test } from 'vitest'
import { memoryStore } from '../storage/memory.ts'
import { listTables } from './list-tables.ts'

test('all tables are found, in order, however their names begin and whatever lies beside them', async () => {
  const lake = memoryStore()
  const put = (key: string) => lake.put(key, new Uint8Array())
  const tables = ['a', 'bronze/movies', 'bronze/movies-old', 'bronze/movies2', 'dead_letters/é', 'silver/x/deep']
  for (const table of tables) {
    await put(`${table}/_delta_log/00000000000000000000.json`)
    for (const file of ['0.parquet', 'part-1.parquet', '_change_data/c.parquet', 'é.parquet', 'zz=1/p.parquet'])
      await put(`${table}/${file}`)
  }
  for (const stray of ['README', 'bronze/notes.txt', 'silver/_delta_logs/x', 'zzz/data.parquet']) await put(stray)
  expect(await listTables(lake)).toEqual(tables.toSorted())
})

test('an empty lake has no tables', async () => {
  expect(await listTables(memoryStore())).toEqual([])
})
