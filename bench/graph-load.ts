/**
 * Rows into Neo4j by our sink and by a plain loop over the driver (UNWIND and MERGE, 1,000 rows a transaction; no position, nothing compared), both
 * from the same Parquet files, one after the other on one service, as one JSON line: nodes first, then the relationships between them.
 *
 *   node bench/graph-load.ts [--titles 10000] [--batch 5000] [--rounds 3]
 *
 * `batch` titles are a batch of the sink, with five relationships each. Needs NEO4J_URI, NEO4J_USER and NEO4J_PASSWORD of an empty database, and
 * empties it at the end.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readConfig } from '../cli/config.ts'
import { openNeo4j } from '../connectors/neo4j/client.ts'
import { assertEmpty, emptyDatabase } from '../connectors/neo4j/database.testing.ts'
import { openDuckdb } from '../engine/duckdb.ts'
import { loadByLoop } from './graph-load-loop.ts'
import { filmRows, type LoadTimes } from './graph-load-rows.ts'
import { loadBySink } from './graph-load-sink.ts'
import { machineFacts } from './machine.ts'
import { quantile, rounded } from './quantile.ts'

const { values } = parseArgs({
  options: {
    titles: { type: 'string', default: '10000' },
    batch: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '3' },
  },
})
const [titles, batch, rounds] = [Number(values.titles), Number(values.batch), Number(values.rounds)]
const { neo4j: settings } = readConfig({ env: process.env })
if (settings === null) throw new Error('give NEO4J_URI, NEO4J_USER and NEO4J_PASSWORD')
const server = openNeo4j(settings)
await assertEmpty(server)
const dir = mkdtempSync(join(tmpdir(), 'millrace-graph-load-'))
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 29, threads: 2, tempDir: dir })

const sides = { loop: [] as LoadTimes[], sink: [] as LoadTimes[] }
try {
  const rows = await filmRows(duckdb, { dir, titles, batch })
  const count = { nodes: rows.nodes, relationships: rows.relationships }
  for (let round = 0; round <= rounds; round += 1) {
    // The first round warms the service up, and counts for neither.
    const loop = await loadByLoop(settings, rows)
    await verified('loop', count)
    const stagingDir = join(dir, `sink-${round}`)
    mkdirSync(stagingDir)
    const sink = await loadBySink({ neo4j: server, duckdb, stagingDir }, rows)
    await verified('sink', count)
    if (round === 0) continue
    sides.loop.push(loop)
    sides.sink.push(sink)
  }
  const rate = (side: keyof typeof sides, what: keyof LoadTimes) =>
    rounded(
      count[what] /
        quantile(
          sides[side].map((times) => times[what]),
          0.5,
        ),
    )
  const rates = (side: keyof typeof sides) => ({
    nodesPerSecond: rate(side, 'nodes'),
    relationshipsPerSecond: rate(side, 'relationships'),
  })
  const ratio = (what: keyof LoadTimes) => rounded(rate('sink', what) / rate('loop', what), 2)
  console.log(
    JSON.stringify({
      bench: 'graph-load',
      machine: machineFacts(),
      ...count,
      titlesPerBatch: batch,
      rounds,
      loop: rates('loop'),
      sink: rates('sink'),
      sinkToLoop: { nodes: ratio('nodes'), relationships: ratio('relationships') },
    }),
  )
} finally {
  await emptyDatabase(server)
  await server.close()
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
}

/** Throws unless the database holds all, and empties it. */
async function verified(side: string, count: Readonly<Record<'nodes' | 'relationships', number>>): Promise<void> {
  const [row] = await server.read('MATCH (n:Movie|Person) RETURN count(n) AS nodes')
  const [links] = await server.read('MATCH ()-[r:ACTED_IN]->() RETURN count(r) AS relationships')
  if (Number(row?.nodes) !== count.nodes || Number(links?.relationships) !== count.relationships)
    throw new Error(`${side} loaded ${row?.nodes} nodes and ${links?.relationships} relationships`)
  await emptyDatabase(server)
}
