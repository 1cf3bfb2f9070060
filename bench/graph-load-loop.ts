/** The same rows into Neo4j as somebody would write it down: a loop over the driver. */

import { tmpdir } from 'node:os'
import neo4j, { type Driver } from 'neo4j-driver'
import type { Neo4jSettings } from '../connectors/neo4j/settings.ts'
import { literal, openDuckdb } from '../engine/duckdb.ts'
import type { ParquetFile } from '../engine/schema.ts'
import type { FilmRows, LoadTimes } from './graph-load-rows.ts'

const rowsPerTransaction = 1_000

const films = `UNWIND $rows AS row MERGE (m:Movie {id: row.id}) SET m += row {.title, .original_title, .year, .status, .original_language},
  m.release_date = date(row.release_date)`
const people =
  'UNWIND $rows AS row MERGE (p:Person {id: row.id}) SET p += row {.name, .known_for_department, .place_of_birth}'
// people may come after the titles that name them
const casts = `UNWIND $rows AS row MATCH (m:Movie {id: row.title_id})
  MERGE (p:Person {id: row.person_id}) ON CREATE SET p.name = row.person_name
  MERGE (p)-[r:ACTED_IN {credit_key: row.credit_key}]->(m) SET r += row {.person_name, .character}`

/** Constraints first, then 1,000 rows a transaction; nothing is compared, and nobody knows afterwards how far it came. */
export async function loadByLoop(settings: Neo4jSettings, rows: FilmRows): Promise<LoadTimes> {
  const driver = neo4j.driver(settings.uri, neo4j.auth.basic(settings.user, settings.password), { useBigInt: true })
  const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: tmpdir() })
  const load = async (files: readonly ParquetFile[], cypher: string, columns = '*'): Promise<void> => {
    for (const { path } of files)
      await duckdb.withConnection(async (connection) => {
        const found = await connection.rows(`SELECT ${columns} FROM read_parquet(${literal(path)})`)
        for (let from = 0; from < found.length; from += rowsPerTransaction)
          await write(driver, cypher, found.slice(from, from + rowsPerTransaction))
      })
  }
  try {
    const startedMs = performance.now()
    for (const [label, key] of [
      ['Movie', 'id'],
      ['Person', 'id'],
    ])
      await driver.executeQuery(
        `CREATE CONSTRAINT millrace_${label}_${key} IF NOT EXISTS FOR (n:${label}) REQUIRE n.${key} IS UNIQUE`,
      )
    await load(rows.people, people)
    await load(rows.films, films, '* REPLACE (release_date::VARCHAR AS release_date)') // days go as text
    const nodesMs = performance.now()
    await load(rows.casts, casts)
    return { nodes: (nodesMs - startedMs) / 1000, relationships: (performance.now() - nodesMs) / 1000 }
  } finally {
    await duckdb.close()
    await driver.close()
  }
}

async function write(driver: Driver, cypher: string, rows: readonly object[]): Promise<void> {
  const session = driver.session()
  try {
    await session.executeWrite((transaction) => transaction.run(cypher, { rows }))
  } finally {
    await session.close()
  }
}
