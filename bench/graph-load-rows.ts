/** Films, people and who acted in which, as files of batches. */
import { join } from 'node:path'
import { copyToParquet } from '../engine/batch/duckdb-parquet.ts'
import type { Duckdb } from '../engine/duckdb.ts'
import type { ParquetFile } from '../engine/schema.ts'

/** The same rows for whoever loads them, batch by batch. */
export interface FilmRows {
  readonly nodes: number
  readonly relationships: number
  readonly films: readonly ParquetFile[]
  readonly people: readonly ParquetFile[]
  readonly casts: readonly ParquetFile[]
}

/** Seconds of one load. */
export interface LoadTimes {
  readonly nodes: number
  readonly relationships: number
}

const castOfEach = 5

/** Half as many people as credits. */
export async function filmRows(
  duckdb: Duckdb,
  { dir, titles, batch }: { readonly dir: string; readonly titles: number; readonly batch: number },
): Promise<FilmRows> {
  const credits = titles * castOfEach
  const people = Math.floor(credits / 2)
  const write = (name: string, query: string) =>
    duckdb.withConnection((connection) => copyToParquet(connection, query, join(dir, `${name}.parquet`)))
  const each = async (name: string, count: number, perFile: number, columns: string) => {
    const files: ParquetFile[] = []
    for (let from = 0; from < count; from += perFile)
      files.push(
        await write(
          `${name}-${from}`,
          `SELECT ${columns} FROM range(${from}, ${Math.min(count, from + perFile)}) r(i)`,
        ),
      )
    return files
  }
  return {
    nodes: titles + people,
    relationships: credits,
    films: await each(
      'films',
      titles,
      batch,
      `i AS id, 'Title ' || i AS title, 'Original title ' || i AS original_title, DATE '1950-01-01' + (i % 27000)::INTEGER AS release_date,
       1950 + i % 70 AS year, 'Released' AS status, 'en' AS original_language`,
    ),
    people: await each(
      'people',
      people,
      batch * 2,
      `i AS id, 'Person number ' || i AS name, 'Acting' AS known_for_department, 'Somewhere' AS place_of_birth`,
    ),
    casts: await each(
      'casts',
      credits,
      batch * castOfEach,
      `i // ${castOfEach} AS title_id, (i * 7919) % ${people} AS person_id, substr(md5(i::VARCHAR), 1, 24) AS credit_key,
       'Person number ' || (i * 7919) % ${people} AS person_name, 'Character ' || i AS character`,
    ),
  }
}
