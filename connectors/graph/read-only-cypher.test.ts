import { expect, test } from 'vitest'
import { readOnlyCypher } from './read-only-cypher.ts'

test.each([
  'MATCH (p:Person)-[r:ACTED_IN|CREW_OF]->(m) WHERE m.title STARTS WITH $t RETURN p.id, count(*) AS n ORDER BY n DESC LIMIT 3',
  'match (p:Person) return p.name;',
  "MATCH (m:Movie) WHERE m.title = 'COPY this; CREATE that // CHECKPOINT' RETURN m.id /* LOAD FROM */ // DROP",
  'MATCH (n) RETURN n.set, n.load AS `create`, {delete: 1, use: n.copy} AS m',
  'MATCH (n:Set)-[:LOAD]->(:Copy) RETURN n',
  'WITH 1 AS x UNWIND [x, 2] AS y RETURN y',
  'OPTIONAL MATCH (n) RETURN n',
  'CALL show_tables() RETURN *',
  'CALL db.labels() YIELD label RETURN label',
  'MATCH (n) CALL { WITH n RETURN n.id AS id } RETURN id',
  'RETURN date.truncate("year", date()), point.distance(a, b), vector.similarity.cosine(a, b)',
  'EXPLAIN MATCH (n) RETURN n',
])('a query that reads the graph goes through: %s', (cypher) => {
  expect(readOnlyCypher(cypher)).toBe(cypher)
})

test.each([
  ['', 'it is empty'],
  ['// nothing', 'it is empty'],
  ['CHECKPOINT', 'CHECKPOINT is not allowed'],
  ["COPY (MATCH (n) RETURN n) TO '/tmp/x.csv'", 'COPY is not allowed'],
  ["EXPORT DATABASE '/tmp/x'", 'EXPORT is not allowed'],
  ["IMPORT DATABASE '/tmp/x'", 'IMPORT is not allowed'],
  ['LOAD EXTENSION httpfs', 'LOAD is not allowed'],
  ["LOAD FROM '/etc/passwd' RETURN *", 'LOAD is not allowed'],
  ["MATCH (n) LOAD FROM '/etc/passwd' RETURN *", 'LOAD is not allowed'],
  ["MATCH (n)\rLOAD CSV FROM 'http://127.0.0.1/' AS row RETURN row", 'LOAD is not allowed'],
  ["MATCH (n) //\r LOAD CSV FROM 'http://127.0.0.1/' AS row RETURN row", 'LOAD is not allowed'],
  ["RETURN 'a\\u0027 LOAD CSV FROM 'x' AS row RETURN row //'", 'write characters themselves'],
  ['INSTALL httpfs', 'INSTALL is not allowed'],
  ["ATTACH '/tmp/x' AS y (dbtype duckdb)", 'ATTACH is not allowed'],
  ['USE other', 'USE is not allowed'],
  ['CALL threads=1', 'CALL threads is not allowed'],
  ['CALL show_tables=1', 'CALL show_tables is not allowed'],
  ['CALL project_graph("G", ["P"], [])', 'CALL project_graph is not allowed'],
  ['CALL apoc.load.json("http://127.0.0.1/")', 'CALL apoc.load.json is not allowed'],
  ['CALL apoc . export.csv.all("x", {})', 'CALL apoc.export.csv.all is not allowed'],
  ['RETURN genai.vector.encode("x", "OpenAI", {})', 'the function genai.vector.encode is not allowed'],
  ['BEGIN TRANSACTION', 'BEGIN is not allowed'],
  ['CREATE (:Person {id: 1})', 'CREATE is not allowed'],
  ['MATCH (n) SET n.name = 1 RETURN n', 'SET is not allowed'],
  ['MATCH (n) detach delete n', 'DETACH is not allowed'],
  ['MATCH (n) FOREACH (x IN [1] | SET n.a = x)', 'FOREACH is not allowed'],
  ['RETURN 1; CHECKPOINT', 'give one query'],
  ["RETURN 'open ; CHECKPOINT", 'give one query'],
])('whatever writes, reads files, loads code or changes the session is refused by name: %s', (cypher, why) => {
  let message = ''
  try {
    readOnlyCypher(cypher)
  } catch (error) {
    message = (error as Error).message
  }
  expect(message).toContain(`graph query: `)
  expect(message).toContain(why)
})
